//! Processes and the threads that pump their pipes.
