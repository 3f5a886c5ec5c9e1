//! A payload as a phone receives it: what is read and written again must read the same, for every shape and profile.
#![no_main]

use push_core::payload::{ClickTarget, Ext, Payload, Profile, Shape};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let [choice, text @ ..] = input else { return };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let shape = Shape::ALL[usize::from(*choice) % Shape::ALL.len()];
    for profile in [Profile::Ios, Profile::Android] {
        for payload in [
            Payload::parse(shape, text),
            Payload::as_received(shape, text),
        ] {
            // Formatted for the log, where it must not panic either.
            let _ = format!("{payload:?}");
            if let Ok(target) = payload.target(profile)
                && let Some((user, group)) = target.navigate_ids()
            {
                assert_eq!(
                    ClickTarget::from_navigate_ids(user, group),
                    Ok(target.clone())
                );
            }
        }
        // A missing type or action is written as 0, which is another payload; nothing of ours writes one.
        if let Ok(ext) = Ext::parse(profile, text)
            && let Some(entity) = &ext.entity
            && entity.chat_type.is_some()
            && entity.action.is_some()
            && let Ok(again) = Ext::parse(profile, &ext.to_json_string())
        {
            assert_eq!(ext, again);
            assert_eq!(ext.target(profile), again.target(profile));
        }
        if let Ok(wrapped) = Ext::wrap_for("a vendor", text) {
            assert!(Ext::check_for("a vendor", &wrapped).is_ok());
        }
    }
});
