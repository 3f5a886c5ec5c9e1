//! `offline-push credential`: the credentials of the vendors.
use std::{path::PathBuf, process::ExitCode};

use offline_push::{CertificateId, Error, ErrorKind, Result};
use serde_json::{Map, Value, json};

use super::{
    Errors,
    output::{Output, Style, table},
    remote::{Remote, Server},
    settings::read_text,
};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Upload a credential; prints the certificate id that apps write into certificate_id!
    Add {
        #[command(flatten)]
        server: Server,
        #[command(flatten)]
        content: Content,
        /// Take this id, for apps that come from another system
        #[arg(long)]
        id: Option<i64>,
    },
    /// List the app's credentials, with their expiry and whether their pushes are sent
    List {
        #[command(flatten)]
        server: Server,
    },
    /// Ask the vendor whether it accepts a credential, without disturbing a user
    Verify {
        #[command(flatten)]
        server: Server,
        /// The certificate id
        id: i64,
    },
    /// Remove a credential; prints what it was
    ///
    /// Nothing is asked, and the id is never given to another credential. Phones that registered with it get no push (reason
    /// certificate-unknown) until they register with another one, and what waits for it waits until its life ends. To replace a
    /// key or certificate use `credential rotate`, which keeps the id and sends what waits.
    Remove {
        #[command(flatten)]
        server: Server,
        /// The certificate id
        id: i64,
    },
    /// Replace a credential's content in place: the id stays, and installed apps still work
    Rotate {
        #[command(flatten)]
        server: Server,
        #[command(flatten)]
        content: Content,
        /// The certificate id
        id: i64,
    },
}

/// The content of a credential.
#[derive(Debug, clap::Args)]
pub(crate) struct Content {
    /// The provider, as in apns; `offline-push plugins` lists them
    #[arg(
        long = "type",
        value_name = "PROVIDER",
        required_unless_present = "from"
    )]
    provider: Option<String>,
    /// A key of the provider's configuration, as in --set topic=com.example.im
    #[arg(long = "set", value_name = "KEY=VALUE")]
    values: Vec<String>,
    /// A key whose value is in a file, as in --file key=AuthKey.p8. A line break at its end is left out; bytes that are not text become base64
    #[arg(long = "file", value_name = "KEY=FILE")]
    files: Vec<String>,
    /// A name for people
    #[arg(long, default_value = "")]
    label: String,
    /// A JSON file with provider, config and label, as `offline-push simulate --write` writes
    #[arg(long, value_name = "FILE", conflicts_with_all = ["provider", "values", "files", "label"])]
    from: Option<PathBuf>,
}

pub(crate) async fn run(command: Command, output: &mut Output) -> Result<ExitCode, Errors> {
    execute(command, output).await.map_err(|error| vec![error])
}

async fn execute(command: Command, output: &mut Output) -> Result<ExitCode> {
    match command {
        Command::Add {
            server,
            content,
            id,
        } => {
            let mut body = content.body()?;
            if let Some(id) = id {
                body["id"] = json!(CertificateId::new(id)?);
            }
            let added = server.connect()?.post("/v1/credentials", &body).await?;
            show(&added, "uploaded", output);
        }
        Command::List { server } => list(&server.connect()?, output).await?,
        Command::Verify { server, id } => {
            let id = CertificateId::new(id)?;
            let path = format!("/v1/credentials/{id}/verify");
            let health = server.connect()?.post(&path, &json!({})).await?;
            let refused = health["acceptance"] == json!("refused");
            let style = if refused { Style::Bad } else { Style::Good };
            let word = output.paint(style, text(&health["acceptance"]));
            output.line(format!("{word}: {}", text(&health["evidence"])));
            output.object(&health);
            if refused {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Remove { server, id } => {
            let id = CertificateId::new(id)?;
            let path = format!("/v1/credentials/{id}");
            let removed = server.connect()?.delete(&path).await?;
            output.line(format!(
                "removed: certificate id {id} ({} {}, {})",
                text(&removed["provider"]),
                text(&removed["environment"]),
                text(&removed["label"]),
            ));
            match removed["waiting"].as_u64() {
                None | Some(0) => {}
                Some(waiting) => output.line(format!(
                    "{waiting} deliveries wait for it, and end with their life; their traces say why"
                )),
            }
            output.object(&removed);
        }
        Command::Rotate {
            server,
            content,
            id,
        } => {
            let id = CertificateId::new(id)?;
            let path = format!("/v1/credentials/{id}");
            let rotated = server.connect()?.put(&path, &content.body()?).await?;
            show(&rotated, "rotated", output);
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Content {
    fn body(&self) -> Result<Value> {
        if let Some(file) = &self.from {
            return serde_json::from_str(&read_text(file)?).map_err(|error| {
                let what = format!("{} is not JSON", file.display());
                Error::new(ErrorKind::Invalid, what).because(error)
            });
        }
        let mut config = Map::new();
        for pair in &self.values {
            let (key, value) = split(pair, "--set")?;
            put(&mut config, key, Value::String(value.to_owned()))?;
        }
        for pair in &self.files {
            let (key, file) = split(pair, "--file")?;
            put(
                &mut config,
                key,
                Value::String(read_text(&PathBuf::from(file))?),
            )?;
        }
        Ok(json!({"provider": self.provider, "config": config, "label": self.label}))
    }
}

fn split<'a>(pair: &'a str, option: &str) -> Result<(&'a str, &'a str)> {
    pair.split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .ok_or_else(|| {
            Error::new(ErrorKind::Invalid, format!("`{option}` wants KEY=VALUE"))
                .advise("`offline-push plugins provider/apns` prints an example with all keys")
        })
}

/// `http.proxy` is the key `proxy` in the table `http`.
fn put(table: &mut Map<String, Value>, key: &str, value: Value) -> Result<()> {
    let (first, rest) = match key.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (key, None),
    };
    let Some(rest) = rest else {
        if table.insert(first.to_owned(), value).is_some() {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("`{key}` is given twice"),
            ));
        }
        return Ok(());
    };
    match table
        .entry(first)
        .or_insert_with(|| Value::Object(Map::new()))
    {
        Value::Object(inner) => put(inner, rest, value),
        _ => Err(Error::new(
            ErrorKind::Invalid,
            format!("`{first}` is given both as a value and as a table"),
        )),
    }
}

async fn list(remote: &Remote, output: &mut Output) -> Result<()> {
    let answer = remote.get("/v1/credentials").await?;
    let credentials = answer["credentials"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let title = ["ID", "PROVIDER", "ENVIRONMENT", "LABEL", "EXPIRY", "PUSHES"].map(str::to_owned);
    let mut rows = vec![title.to_vec()];
    for it in &credentials {
        let (lane, unusable) = (&it["lane"], &it["unusable"]);
        let (mut state, because) = if unusable.is_null() {
            (text(&lane["state"]), lane)
        } else {
            ("unusable".to_owned(), unusable)
        };
        for more in [&because["reason"], &because["evidence"]] {
            if !more.is_null() {
                state = format!("{state}, {}", text(more));
            }
        }
        rows.push(vec![
            text(&it["id"]),
            text(&it["provider"]),
            text(&it["environment"]),
            text(&it["label"]),
            text(&it["expiry"]),
            state,
        ]);
        output.object(it);
    }
    for (n, line) in table(&rows).iter().enumerate() {
        let line = if n == 0 {
            output.paint(Style::Bold, line)
        } else {
            line.clone()
        };
        output.line(line);
    }
    if credentials.is_empty() {
        output.line("(none; `offline-push credential add --help` says how to upload one)");
    }
    Ok(())
}

fn show(credential: &Value, what: &str, output: &mut Output) {
    let id = output.paint(Style::Bold, text(&credential["id"]));
    output.line(format!(
        "{what}: certificate id {id} ({} {})",
        text(&credential["provider"]),
        text(&credential["environment"]),
    ));
    if credential["expiry"] != json!("fine") {
        let warning = output.paint(
            Style::Bad,
            format!("expiry: {}", text(&credential["expiry"])),
        );
        output.line(warning);
    }
    if let Some(address) = credential["receipts"].as_str() {
        output.line(format!("receipts: {address}"));
    }
    output.object(credential);
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_with_dots_become_tables_and_nothing_is_given_twice() {
        let content = |values: &[&str]| Content {
            provider: Some("apns".into()),
            from: None,
            values: values.iter().map(|it| (*it).to_owned()).collect(),
            files: Vec::new(),
            label: String::new(),
        };
        let body = content(&[
            "topic=com.example.im",
            "http.proxy=http://p:1",
            "http.max_streams=7",
        ])
        .body()
        .unwrap();
        assert_eq!(
            body["config"],
            json!({"topic": "com.example.im", "http": {"proxy": "http://p:1", "max_streams": "7"}})
        );
        for wrong in [&["topic"][..], &["=x"], &["a=1", "a=2"], &["a=1", "a.b=2"]] {
            assert!(content(wrong).body().is_err(), "{wrong:?}");
        }
    }
}
