//! Reading what the children offer: all pages of all lists, when a child is
//! ready and when it says that a list has changed.

use crate::catalog::left_out::Sentences;
use crate::event::Reply;
use crate::hub::Hub;
use crate::hub::children::{ChildId, Reading};
use crate::hub::lifecycle::Phase;
use crate::hub::timers::Timer;
use crate::limits;
use crate::wire::items::{Item, ItemKind, Page};
use crate::wire::own_id::{OwnId, Purpose};
use crate::wire::stateless;

fn list_purpose(kind: ItemKind) -> Purpose {
    match kind {
        ItemKind::Tool => Purpose::Tools,
        ItemKind::Prompt => Purpose::Prompts,
        ItemKind::Resource => Purpose::Resources,
        ItemKind::Template => Purpose::Templates,
    }
}

fn kind_of(purpose: Purpose) -> Option<ItemKind> {
    ItemKind::ALL
        .into_iter()
        .find(|&kind| list_purpose(kind) == purpose)
}

impl Hub {
    /// Reads every list that the child has declared.
    pub(super) fn read_lists(&mut self, id: ChildId) {
        let Some(has) = self
            .children
            .get(id)
            .and_then(|c| c.hello.as_ref())
            .map(|h| h.has)
        else {
            return;
        };
        for kind in ItemKind::ALL {
            if has.declares(kind) {
                self.read_page(id, kind, None);
            } else {
                // An earlier life may have offered what this one does not.
                self.take_offer(id, kind, Vec::new(), Vec::new());
            }
        }
        self.lists_read(id);
    }

    /// Asks for a page: the first one, or the one that a cursor names.
    fn read_page(&mut self, id: ChildId, kind: ItemKind, cursor: Option<&str>) {
        let Some(server) = self.children.get(id).map(|child| child.server) else {
            return;
        };
        let params = cursor.map(|cursor| format!(r#"{{"cursor":{cursor}}}"#));
        let request = self.send_own(id, list_purpose(kind), kind.method(), params.as_deref());
        let due = self.now.after(self.server(server).startup_timeout);
        let timer = self.timers.set(due, Timer::List(id, kind, request));
        if let Some(child) = self.children.get_mut(id) {
            let reading = child.reading.entry(kind).or_insert(Reading {
                request,
                items: Vec::new(),
                left_out: Sentences::default(),
                bytes: 0,
                pages: 0,
                timer: None,
            });
            reading.request = request;
            reading.pages += 1;
            if let Some(before) = reading.timer.replace(timer) {
                self.timers.cancel(before);
            }
        }
    }

    /// The answer to a request of the gateway's own.
    pub(super) fn reply(&mut self, id: ChildId, request: OwnId, reply: Reply) {
        match (request.purpose(), reply) {
            (Purpose::Initialize | Purpose::Discover, reply) => self.greeting_answered(id, reply),
            (Purpose::Listen, Reply::Failed(why)) => self.listening_ended(id, request, Some(&why)),
            (Purpose::Listen, _) => self.listening_ended(id, request, None),
            (purpose, Reply::Page(page)) => {
                if let Some(kind) = kind_of(purpose) {
                    self.page_read(id, kind, request, page);
                }
            }
            (purpose, Reply::Failed(why)) => match kind_of(purpose) {
                Some(kind) => self.list_failed(id, kind, request, &why),
                None => log::debug!("{}: {why}", self.label(id)),
            },
            (_, Reply::Hello(_) | Reply::Refused { .. } | Reply::Done) => {}
        }
    }

    fn page_read(&mut self, id: ChildId, kind: ItemKind, request: OwnId, page: Page) {
        let label = self.label(id);
        let method = kind.method();
        let bytes: usize = page.items.iter().map(Item::bytes).sum();
        let has_room = self.has_room_for_list(id, kind, bytes);
        let Some(reading) = self
            .children
            .get_mut(id)
            .and_then(|c| c.reading.get_mut(&kind))
        else {
            return;
        };
        if reading.request != request {
            return;
        }
        if has_room {
            reading.bytes += bytes;
            reading.items.extend(page.items);
        }
        let is_full = !has_room
            || reading.pages >= limits::LIST_PAGES_MAX
            || reading.items.len() > limits::CATALOG_ITEMS_PER_SERVER_MAX
            || reading.bytes > limits::CATALOG_BYTES_PER_SERVER_MAX;
        let mut left_out: Vec<String> = page
            .left_out
            .iter()
            .map(|left_out| format!("{left_out}; left out"))
            .collect();
        if !has_room {
            left_out.push(format!(
                "{} is too long beside the lists of all other servers; the rest is not served",
                method.name()
            ));
        } else if is_full && page.next.is_some() {
            left_out.push(format!(
                "{} is too long, or has no end; the rest is not served",
                method.name()
            ));
        }
        for sentence in &left_out {
            reading.left_out.push(sentence.clone());
        }
        for sentence in left_out {
            self.complain(format!("{label}: {sentence}"));
        }
        match page.next.filter(|_| !is_full) {
            Some(cursor) => self.read_page(id, kind, Some(&cursor)),
            None => self.list_read(id, kind),
        }
    }

    /// Whether so many bytes more of a list that is being read can be kept beside
    /// all other lists. A sum over all of them: it is asked for only where a list
    /// is long.
    fn has_room_for_list(&self, id: ChildId, kind: ItemKind, more: usize) -> bool {
        let own = self.children.get(id).and_then(|c| c.reading.get(&kind));
        let own = own.map_or(0, |reading| reading.bytes) + more;
        own <= limits::LIST_BYTES_LEAST || {
            let others = self.children.iter().flat_map(|(other, child)| {
                // What it offered before, this takes the place of.
                let kinds = ItemKind::ALL.into_iter();
                kinds
                    .filter(move |&one| (other, one) != (id, kind))
                    .map(move |one| {
                        let offered = child.offer.items(one).iter().map(Item::bytes);
                        let read = child.reading.get(&one).map_or(0, |r| r.bytes);
                        offered.sum::<usize>() + read
                    })
            });
            others.sum::<usize>() + 2 * own <= limits::LISTS_BYTES_MAX
        }
    }

    fn list_failed(&mut self, id: ChildId, kind: ItemKind, request: OwnId, why: &str) {
        let label = self.label(id);
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        if child
            .reading
            .get(&kind)
            .is_some_and(|r| r.request == request)
        {
            let sentence = format!("{} failed: {why}", kind.method().name());
            log::warn!("{label}: {sentence}");
            child.reading.remove(&kind);
            child.unread.insert(kind, sentence);
            self.lists_read(id);
        }
    }

    /// A page has not come in the time of a start: what was known of the list
    /// stays, and the next change is read again.
    pub(super) fn list_overdue(&mut self, id: ChildId, kind: ItemKind, request: OwnId) {
        self.list_failed(id, kind, request, "no answer in time (\"startup_timeout\")");
    }

    fn list_read(&mut self, id: ChildId, kind: ItemKind) {
        let reading = self
            .children
            .get_mut(id)
            .and_then(|c| c.reading.remove(&kind));
        if let Some(reading) = reading {
            self.take_offer(id, kind, reading.items, reading.left_out.into_list());
        }
        self.lists_read(id);
    }

    fn take_offer(&mut self, id: ChildId, kind: ItemKind, items: Vec<Item>, left_out: Vec<String>) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        child.unread.remove(&kind);
        child.left_out.insert(kind, left_out);
        if child.offer.items(kind) != items {
            child.offer.replace(kind, items);
            self.offer_changed(id);
        }
    }

    /// If all lists are read, its first start is over.
    fn lists_read(&mut self, id: ChildId) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        if !child.reading.is_empty() || child.phase != Phase::Ready {
            return;
        }
        if child.startup.is_some() {
            let taken = self.now.since(child.since).as_secs_f64();
            let era = match child.is_stateless() {
                true => format!(" ({})", stateless::VERSION),
                false => String::new(),
            };
            log::info!(
                "{}: ready{era}, {} (lists read in {taken:.1} s)",
                self.label(id),
                self.offers(id)
            );
        }
        self.settle(id);
        self.keep_lists(id);
    }

    /// What a child offers, in words: `13 tools, 4 prompts`.
    pub(super) fn offers(&self, id: ChildId) -> String {
        let Some(child) = self.children.get(id) else {
            return String::new();
        };
        let counts: Vec<String> = ItemKind::ALL
            .into_iter()
            .map(|kind| (kind, child.offer.items(kind).len()))
            .filter(|&(kind, count)| count > 0 || kind == ItemKind::Tool)
            .map(|(kind, count)| {
                format!(
                    "{count} {}{}",
                    kind.noun(),
                    if count == 1 { "" } else { "s" }
                )
            })
            .collect();
        counts.join(", ")
    }

    /// A child that has greeted has not told its lists in time.
    pub(super) fn give_up_lists(&mut self, id: ChildId, seconds: f64) {
        let label = self.label(id);
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        for kind in std::mem::take(&mut child.reading).into_keys() {
            let list = kind.method();
            let sentence = format!("{} was not answered within {seconds} s", list.name());
            log::warn!("{label}: {sentence}; it is served without");
            child.unread.insert(kind, sentence);
        }
        self.settle(id);
    }

    /// A child says that a list has changed. It is read when the burst is over.
    pub(super) fn list_changed(&mut self, id: ChildId, kind: ItemKind) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        if child.stale.insert(kind) {
            let due = self.now.after(limits::LIST_CHANGED_WAIT);
            self.timers.set(due, Timer::Relist(id, kind));
        }
    }

    /// The burst is over; but a list that is still being read is read to its
    /// end first, and then again.
    pub(super) fn relist_due(&mut self, id: ChildId, kind: ItemKind) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        if !child.stale.remove(&kind) || child.phase != Phase::Ready {
            return;
        }
        if child.reading.contains_key(&kind) {
            self.list_changed(id, kind);
        } else {
            self.read_page(id, kind, None);
        }
    }
}
