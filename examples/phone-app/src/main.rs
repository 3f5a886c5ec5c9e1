//! The smallest app with the app half: `cargo run -p phone-app`.
//!
//! It starts the client as an app on a phone does (certificate ids, a route handler, the automatic login bridge, its state in a
//! file), prints the device's id and ends. There is no login, so nothing is sent. `cargo xtask size` measures it, and
//! `without.rs` beside it.
#![allow(clippy::print_stdout, reason = "an example prints what it does")]

use std::{error::Error, sync::Arc};

use offline_push::{
    Channel, Opened, Slot, certificate_id,
    client::{
        FileState, HttpGateway, Navigate, Permission, PushClient, Responder, Token, TokenAnswer,
    },
    route_handler,
};

certificate_id!(apns, debug = 31287, release = 31288);

route_handler!(
    "chat",
    Navigate::new(|user, group| {
        println!("open the chat with {user}{group}");
        Opened::Done
    })
);

/// The functions of the phone's operating system that push needs.
#[derive(Debug)]
struct Phone;

impl offline_push::client::Phone for Phone {
    fn channel(&self) -> Channel {
        Channel::APNS
    }
    fn ask_permission(&self, answer: Responder<Permission>) {
        answer.answer(Permission::Granted);
    }
    fn request_token(&self, _slot: Slot, answer: Responder<TokenAnswer>) {
        answer.answer(Ok(Token::Bytes(vec![0xa1; 32])));
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::temp_dir().join(format!("phone-app-{}.json", std::process::id()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let gateway = HttpGateway::new("https://push.example.com", Default::default())?;
        let client = PushClient::linked(Arc::new(Phone), Arc::new(gateway), offline_push::BUILTIN)?
            .state(FileState::new(&file))
            .start()
            .await?;
        println!("this device is {}", client.device());
        client.close().await;
        Ok::<_, offline_push::Error>(())
    })?;
    std::fs::remove_file(file)?;
    Ok(())
}
