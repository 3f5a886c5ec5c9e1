//! Apple's service as a program of its own: `apns-simulator [FIRST_PORT] [TOPIC] [PHONES]`.
//!
//! Listens on 127.0.0.1: production on FIRST_PORT, the sandbox on the next, their channels on the two after. Takes the key
//! of the provider's example configuration, and the given number of phones with the app TOPIC in each environment. The first line it
//! prints is JSON with everything a client needs; each further line is a push that arrived on a phone. Ends with its input.
use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use push_core::Environment;
use push_provider_apns::simulator::{Options, Phone, Simulator};
use push_testkit::fixtures;
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt, sync::Mutex};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().map_or(Ok(0), |it| it.parse::<u16>())?;
    let topic = arguments.next().unwrap_or("com.example.chat".into());
    let phones = arguments.next().map_or(Ok(1), |it| it.parse::<usize>())?;

    let options = Options::default().with_port(port);
    let apple = Simulator::start(options.with_delay(Duration::from_millis(50))).await?;
    apple.register_key("ABC123DEFG", "DEF123GHIJ", &fixtures::apns_key(1))?;
    let output = Arc::new(Mutex::new(io::stdout()));
    let mut first = json!({ "ca_pem": apple.ca_pem(), "topic": topic, "tokens": {} });
    for environment in Environment::ALL {
        first[environment.as_str()] = json!(apple.endpoint(*environment));
        let installed: Vec<_> = (0..phones)
            .map(|_| apple.install(&topic, *environment))
            .collect();
        first["tokens"][environment.as_str()] = installed.iter().map(Phone::token).collect();
        for phone in installed {
            tokio::spawn(follow(phone, Arc::clone(&output)));
        }
    }
    say(&output, &first).await?;
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    Ok(())
}

async fn follow(phone: Phone, output: Arc<Mutex<io::Stdout>>) {
    for count in 1.. {
        let Some(arrival) = phone.wait_for(count).await else {
            return;
        };
        let line = json!({
            "token": phone.token(),
            "environment": phone.environment().as_str(),
            "apns-id": arrival.apns_id,
            "payload": arrival.payload,
        });
        if say(&output, &line).await.is_err() {
            return;
        }
    }
}

async fn say(output: &Mutex<io::Stdout>, line: &Value) -> io::Result<()> {
    let mut output = output.lock().await;
    writeln!(output, "{line}")?;
    output.flush()
}
