//! The examples do what they say, on a server of their own.

#![allow(dead_code, reason = "what the examples do is run here, not how they are started")]
#![allow(clippy::duplicate_mod, reason = "each example is a program of its own and has all its modules")]

macro_rules! runs {
    ($($example:ident in $file:literal;)*) => { $(
        #[path = $file]
        mod $example;

        #[tokio::test]
        async fn $example() {
            let server = zabra_embedded::Server::start().await.unwrap();
            $example::run(&server.connect_string()).await.unwrap();
        }
    )* };
}

runs! {
    counter in "../examples/counter.rs";
    live_configuration in "../examples/live_configuration.rs";
    naming in "../examples/naming.rs";
    pipelining in "../examples/pipelining.rs";
}
