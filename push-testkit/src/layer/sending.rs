//! What a layer does with deliveries.
#![allow(missing_docs)] // The names say it all.
use std::{collections::HashMap, sync::Arc, time::Duration};

use push_core::{
    Badge, Batch, Clock as _, Collected, DeliveryId, Retry, Scope, Timestamp, TokenFault,
    VendorAnswer, Verdict, VerdictKind, Verdicts,
};

use super::{LayerKit, probe::Answer};
use crate::sample;

/// How far the clock is moved while a case waits, at most.
const PATIENCE: Duration = Duration::from_secs(60 * 60);
const STEP: Duration = Duration::from_millis(50);

/// A batch of `targets` targets that differ in all that a target has, as large as the layer takes.
pub(super) fn batch(kit: &LayerKit, targets: usize) -> Batch {
    let targets = targets.min(kit.layered.capabilities().max_batch);
    sample::batch_of((0..targets).map(|number| {
        let mut notification = sample::notification();
        notification.thread = format!("thread-{number}");
        sample::target(format!("token-{number}"), &sample::content(notification))
            .with_badge(Badge::Add(number as u32 + 1))
            .with_receiver(Some(sample::user(&format!("user-{number}"))))
    }))
}

/// Runs `future` in a task of its own, and moves the clock until it has finished.
pub(super) async fn finished<T: Send + 'static>(
    kit: &LayerKit,
    future: impl Future<Output = T> + Send + 'static,
) -> T {
    let task = tokio::spawn(future);
    let start = kit.place.clock.now();
    loop {
        crate::until_idle().await;
        if task.is_finished() {
            return task.await.expect("no layer panics");
        }
        let passed = kit.place.clock.now().since(start);
        assert!(passed < PATIENCE, "it does not end within an hour");
        kit.place.clock.advance(STEP);
    }
}

/// Sends `batch` and returns the verdict of each target.
pub(super) async fn send(kit: &LayerKit, batch: Batch) -> Vec<Verdict> {
    let collected = Collected::new();
    let sink: Arc<Collected> = Arc::clone(&collected);
    let targets = batch.targets.len();
    let layered = Arc::clone(&kit.layered);
    let verdicts = Verdicts::new(targets, sink);
    finished(kit, async move { layered.send(batch, verdicts).await }).await;
    in_order(&collected, targets)
}

fn in_order(collected: &Collected, targets: usize) -> Vec<Verdict> {
    assert_eq!(
        collected.verdicts().len(),
        targets,
        "one verdict for each target"
    );
    (0..targets)
        .map(|position| collected.get(position).expect("each target has a verdict"))
        .collect()
}

fn is_postponed(verdict: &Verdict) -> bool {
    verdict.kind == VerdictKind::Postponed
}

/// Checks that each delivery was either passed on once or postponed, and none both.
pub(super) fn accounted(kit: &LayerKit, targets: usize, verdicts: &[Verdict]) {
    assert_eq!(verdicts.len(), targets, "one verdict for each target");
    for verdict in verdicts.iter().filter(|verdict| is_postponed(verdict)) {
        assert!(
            matches!(verdict.retry, Retry::After(after) if !after.is_zero()),
            "what is postponed says for how long: {:?}",
            verdict.retry
        );
    }
    let mut times: HashMap<DeliveryId, usize> = HashMap::new();
    for target in kit.probe.batches().iter().flat_map(|it| &it.targets) {
        *times.entry(target.delivery).or_default() += 1;
    }
    assert!(
        times.values().all(|times| *times == 1),
        "a target is passed on once: only the pipeline repeats"
    );
}

pub async fn each_target_reaches_the_provider_once_with_its_own_content(kit: LayerKit) {
    let sent = batch(&kit, 20);
    let verdicts = send(&kit, sent.clone()).await;
    accounted(&kit, sent.targets.len(), &verdicts);
    let batches = kit.probe.batches();
    let passed: usize = batches.iter().map(|batch| batch.targets.len()).sum();
    let postponed = verdicts.iter().filter(|it| is_postponed(it)).count();
    assert_eq!(
        passed + postponed,
        sent.targets.len(),
        "each is passed on or postponed"
    );
    let mut seen = batches.iter().flat_map(|batch| &batch.targets);
    for (target, verdict) in sent.targets.iter().zip(&verdicts) {
        if is_postponed(verdict) {
            continue;
        }
        let seen = seen.next().expect("the targets come in their order");
        assert_eq!(seen.delivery, target.delivery, "in their order");
        assert_eq!(seen.token, target.token);
        assert!(Arc::ptr_eq(&seen.content, &target.content), "its content");
        assert_eq!(seen.badge, target.badge);
        assert_eq!(seen.receiver, target.receiver);
    }
    for batch in &batches {
        assert_eq!(batch.environment, sent.environment);
        assert_eq!(batch.slot, sent.slot);
        let is_whole = batch.targets.len() == sent.targets.len();
        assert_eq!(
            batch.id == sent.id,
            is_whole,
            "a whole batch keeps its id, and a part gets another"
        );
    }
}

/// One verdict of each kind that a provider gives.
fn every_verdict() -> Vec<Verdict> {
    let since = Some(Timestamp::from_unix_seconds(1_600_000_000));
    [
        VerdictKind::Accepted,
        VerdictKind::TokenDead { since },
        VerdictKind::TokenDead { since: None },
        VerdictKind::TokenUnusable(TokenFault::Environment),
        VerdictKind::TokenUnusable(TokenFault::Muted),
        VerdictKind::TargetRefused,
        VerdictKind::CredentialRefused,
        VerdictKind::PayloadRefused,
        VerdictKind::RateLimited(Scope::Credential),
        VerdictKind::RateLimited(Scope::Class),
        VerdictKind::Unavailable(Scope::Origin),
        VerdictKind::Unavailable(Scope::Token),
        VerdictKind::Unknown,
    ]
    .into_iter()
    .enumerate()
    .map(|(number, kind)| {
        let answer = VendorAnswer::new(200 + number as u16, format!("code-{number}"));
        let verdict = Verdict::new(kind, answer.with_text("as the probe says"));
        match number % 3 {
            0 => verdict,
            _ => verdict.with_retry(Retry::After(Duration::from_secs(number as u64))),
        }
    })
    .collect()
}

pub async fn each_target_gets_the_verdict_of_the_provider(kit: LayerKit) {
    let mut left = every_verdict();
    while !left.is_empty() {
        let sent = batch(&kit, left.len());
        let answers: Vec<Verdict> = left.drain(..sent.targets.len()).collect();
        kit.probe.answer(answers.iter().cloned().map(Answer::Now));
        let verdicts = send(&kit, sent).await;
        let mut answers = answers.into_iter();
        let passed = verdicts.iter().filter(|verdict| !is_postponed(verdict));
        for verdict in passed {
            assert_eq!(Some(verdict), answers.next().as_ref(), "its own verdict");
        }
        // What was postponed did not reach the provider, and its answer waits for another.
        left.splice(0..0, answers);
        kit.probe.forget_answers();
    }
}

pub async fn a_slow_target_delays_no_other_verdict(kit: LayerKit) {
    let sent = batch(&kit, 3);
    let targets = sent.targets.len();
    let fast = Verdict::accepted(VendorAnswer::new(201, "fast"));
    let slow = Verdict::accepted(VendorAnswer::new(202, "slow"));
    let mut answers = vec![Answer::Held(slow.clone())];
    answers.resize(targets, Answer::Now(fast.clone()));
    kit.probe.answer(answers);
    let (task, collected) = begin(&kit, sent);
    crate::until(|| kit.probe.running() == 1).await;
    crate::until_idle().await;
    assert_eq!(
        collected.verdicts().len(),
        targets - 1,
        "the verdicts that are known"
    );
    assert_eq!(collected.get(0), None);
    kit.probe.release();
    task.await.expect("no layer panics");
    assert_eq!(collected.get(0), Some(slow));
    for position in 1..targets {
        assert_eq!(collected.get(position).as_ref(), Some(&fast));
    }
}

fn begin(kit: &LayerKit, batch: Batch) -> (tokio::task::JoinHandle<()>, Arc<Collected>) {
    let collected = Collected::new();
    let sink: Arc<Collected> = Arc::clone(&collected);
    let verdicts = Verdicts::new(batch.targets.len(), sink);
    let layered = Arc::clone(&kit.layered);
    let task = tokio::spawn(async move { layered.send(batch, verdicts).await });
    (task, collected)
}

pub async fn an_empty_batch_is_passed_on(kit: LayerKit) {
    assert!(send(&kit, batch(&kit, 0)).await.is_empty());
    let passed = kit.probe.batches();
    assert!(passed.iter().all(|batch| batch.targets.is_empty()));
}

pub async fn a_dropped_send_drops_the_inner_one_and_accounts_for_each_target(kit: LayerKit) {
    let sent = batch(&kit, 2);
    let targets = sent.targets.len();
    let known = Verdict::accepted(VendorAnswer::new(200, "known"));
    let mut answers = vec![Answer::Silence];
    answers.resize(targets, Answer::Now(known.clone()));
    kit.probe.answer(answers);
    let (task, collected) = begin(&kit, sent);
    crate::until(|| kit.probe.running() == 1).await;
    task.abort();
    assert!(task.await.expect_err("it was dropped").is_cancelled());
    crate::until_idle().await;
    assert_eq!(kit.probe.running(), 0, "nothing outlives the send");
    let verdicts = in_order(&collected, targets);
    assert_eq!(
        verdicts[0].kind,
        VerdictKind::Unknown,
        "the provider has it, so it may have been sent"
    );
    assert!(verdicts[1..].iter().all(|verdict| *verdict == known));
}

pub async fn a_send_that_is_dropped_before_it_runs_accounts_for_each_target(kit: LayerKit) {
    let sent = batch(&kit, 2);
    let targets = sent.targets.len();
    let collected = Collected::new();
    let sink: Arc<Collected> = Arc::clone(&collected);
    drop(kit.layered.send(sent, Verdicts::new(targets, sink)));
    crate::until_idle().await;
    assert_eq!(kit.probe.batches().len(), 0, "nothing was begun");
    for verdict in in_order(&collected, targets) {
        assert!(matches!(
            verdict.kind,
            VerdictKind::Unknown | VerdictKind::Postponed
        ));
    }
}

pub async fn a_provider_that_gives_no_verdict_leaves_targets_unknown(kit: LayerKit) {
    let sent = batch(&kit, 2);
    kit.probe.answer(vec![Answer::Nothing; sent.targets.len()]);
    for verdict in send(&kit, sent).await {
        assert_eq!(verdict.kind, VerdictKind::Unknown);
    }
}

pub async fn many_sends_at_once_are_all_answered(kit: LayerKit) {
    const SENDS: usize = 100;
    let begun: Vec<_> = (0..SENDS)
        .map(|_| {
            let sent = batch(&kit, 2);
            let targets = sent.targets.len();
            let (task, collected) = begin(&kit, sent);
            (targets, task, collected)
        })
        .collect();
    let start = kit.place.clock.now();
    while !begun.iter().all(|(_, task, _)| task.is_finished()) {
        crate::until_idle().await;
        let passed = kit.place.clock.now().since(start);
        assert!(passed < PATIENCE, "some do not end within an hour");
        kit.place.clock.advance(STEP);
    }
    let mut all = Vec::new();
    for (targets, task, collected) in begun {
        task.await.expect("no layer panics");
        all.extend(in_order(&collected, targets));
    }
    accounted(&kit, all.len(), &all);
    let passed: usize = kit.probe.batches().iter().map(|it| it.targets.len()).sum();
    let postponed = all.iter().filter(|verdict| is_postponed(verdict)).count();
    assert_eq!(passed + postponed, all.len());
    let accepted = all.iter().filter(|it| it.kind == VerdictKind::Accepted);
    assert_eq!(accepted.count(), passed);
}
