//! How a queue of bounded size shares its room.
use push_core::{AppId, Class, Delivery, ErrorKind, Put, Queue};

use super::fixtures::{delivery, lane_of, within};

/// Checks that no app and no credential can fill the queue, which is empty and holds at most 100 deliveries.
///
/// # Panics
/// If one can, or if the queue refuses what has room.
pub async fn check_shares(queue: &dyn Queue) {
    let of = |app: &str, credential: i64, number: usize| -> Delivery {
        let to = lane_of(app, credential, Class::CHAT);
        within(delivery(&format!("m{credential}-{number}"), "alice"), &to)
    };
    let put = async |app: &str, credential, number| match queue
        .put(vec![of(app, credential, number)])
        .await
    {
        Ok(put) => put[0],
        Err(error) if error.kind() == ErrorKind::Busy => {
            panic!("the queue is full for {app}: {error}")
        }
        Err(error) => panic!("{error}"),
    };
    // A burst stops at its share, and stays stopped.
    let burst = async |app: &str, credential| {
        let mut count = 0;
        while put(app, credential, count).await == Put::New {
            count += 1;
            assert!(count < 100, "{app} fills the queue: it keeps no share free");
        }
        assert_eq!(put(app, credential, count).await, Put::Full);
        count
    };
    let first = burst("im", 1).await;
    assert!((60..70).contains(&first), "{first} of 100");
    assert_eq!(put("im", 1, 0).await, Put::Duplicate, "it is no new one");
    let second = burst("im", 2).await;
    assert!(second >= 5, "another credential of the app gets {second}");
    assert!(first + second <= 80, "{first} and {second} of 100");
    for app in ["a", "b", "c"] {
        let more = burst(app, 1).await;
        assert!(more >= 1, "the app {app} gets nothing");
    }
    // What is done makes room for the app that it was of.
    let lane = lane_of("im", 1, Class::CHAT);
    let hold = std::time::Duration::from_secs(30);
    let leased = queue.lease(&lane, 40, hold).await.expect("leases");
    let done = leased.into_iter().map(|lease| lease.id).collect();
    assert_eq!(queue.ack(done).await.expect("acknowledges"), 40);
    assert_eq!(put("im", 1, first).await, Put::New, "it was not remembered");
    let waiting = queue.lanes().await.expect("lists lanes");
    let app = AppId::new("im").expect("an app id");
    let held = waiting
        .iter()
        .filter(|state| state.lane.credential.app == app)
        .map(|state| state.depth)
        .sum::<u64>();
    assert_eq!(held, (first + second - 40 + 1) as u64);
}
