//! The methods of MCP, of both eras, as a closed list. Nothing here knows
//! what a method's parameters hold.

/// Writes the enum and both directions of its naming from one table, so that
/// they cannot part.
macro_rules! methods {
    ($($variant:ident = $name:literal,)*) => {
        /// A method of a request or a notification.
        #[derive(Clone, PartialEq, Eq, Hash, Debug)]
        pub enum Method {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
            /// One that this gateway does not know.
            Other(Box<str>),
        }

        impl Method {
            /// The method of that name.
            pub fn from_name(name: &str) -> Method {
                Method::known(name).unwrap_or_else(|| Method::Other(name.into()))
            }

            /// The method of that name, if this gateway knows it.
            pub fn known(name: &str) -> Option<Method> {
                match name {
                    $($name => Some(Method::$variant),)*
                    _ => None,
                }
            }

            /// Its name on the wire.
            pub fn name(&self) -> &str {
                match self {
                    $(Method::$variant => $name,)*
                    Method::Other(name) => name,
                }
            }
        }
    };
}

methods! {
    Initialize = "initialize",
    Initialized = "notifications/initialized",
    Ping = "ping",
    Cancelled = "notifications/cancelled",
    Progress = "notifications/progress",
    ToolsList = "tools/list",
    ToolsCall = "tools/call",
    ToolsChanged = "notifications/tools/list_changed",
    PromptsList = "prompts/list",
    PromptsGet = "prompts/get",
    PromptsChanged = "notifications/prompts/list_changed",
    ResourcesList = "resources/list",
    TemplatesList = "resources/templates/list",
    ResourcesRead = "resources/read",
    ResourcesSubscribe = "resources/subscribe",
    ResourcesUnsubscribe = "resources/unsubscribe",
    ResourcesChanged = "notifications/resources/list_changed",
    ResourceUpdated = "notifications/resources/updated",
    Complete = "completion/complete",
    SetLevel = "logging/setLevel",
    LogMessage = "notifications/message",
    CreateMessage = "sampling/createMessage",
    Elicit = "elicitation/create",
    ElicitComplete = "notifications/elicitation/complete",
    RootsList = "roots/list",
    RootsChanged = "notifications/roots/list_changed",
    Discover = "server/discover",
    Listen = "subscriptions/listen",
    Acknowledged = "notifications/subscriptions/acknowledged",
    TasksGet = "tasks/get",
    TasksUpdate = "tasks/update",
    TasksCancel = "tasks/cancel",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_name_and_an_unknown_one_survive_the_round_trip() {
        assert_eq!(Method::from_name("tools/call"), Method::ToolsCall);
        assert_eq!(Method::ToolsCall.name(), "tools/call");
        let unknown = Method::from_name("tools/callx");
        assert_eq!(unknown, Method::Other("tools/callx".into()));
        assert_eq!(unknown.name(), "tools/callx");
    }
}
