//! Checks that the header's structs and numbers are those of the library.
use std::{env, fs, mem::offset_of, path::Path, process::Command};

use super::{
    app::how_number,
    callbacks::{CEntity, CEvent, Callbacks, slot_number},
    client::state_number,
    config::{CCertificate, CConfig, device_kind, device_number, payload_shape, shape_number},
    fault::kind_number,
};
use crate::{Completed, DeviceKind, ErrorKind, PayloadShape, Slot, TokenState};

/// Returns the lines of a C program that prints the header's numbers, with the library's numbers.
fn questions() -> Vec<(String, usize)> {
    let mut questions = Vec::new();
    macro_rules! layout {
        ($($c:literal is $rust:ty { $($field:ident)* })*) => {$(
            questions.push((format!("sizeof({})", $c), size_of::<$rust>()));
            $(questions.push((
                format!("offsetof({}, {})", $c, stringify!($field)),
                offset_of!($rust, $field),
            ));)*
        )*};
    }
    layout! {
        "offline_push_certificate" is CCertificate { channel slot debug_id release_id }
        "offline_push_config" is CConfig {
            size gateway_url app_id state_path channel certificates certificate_count is_debug_build slots slot_count
            device_kind payload_shape device_id extra_ca_pem extension_folder
        }
        "offline_push_entity" is CEntity {
            size version chat_type action sender nickname face_url content send_time custom_data custom_data_length
        }
        "offline_push_event" is CEvent {
            size name text needs_attention slot code user by delivery target_user target_group
        }
        "offline_push_callbacks" is Callbacks {
            size user_data ask_permission request_token navigate_to_chat hook set_badge on_main answer_call
            process_notification event
        }
    }
    macro_rules! numbers {
        ($($number:ident of $kind:ident { $($name:ident = $variant:ident)* })*) => {$($(
            questions.push((
                format!("(size_t)OFFLINE_PUSH_{}", stringify!($name)),
                usize::try_from($number($kind::$variant)).expect("small and not negative"),
            ));
        )*)*};
    }
    numbers! {
        kind_number of ErrorKind {
            ERROR_CONFIG = Config ERROR_INVALID = Invalid ERROR_CONFLICT = Conflict
            ERROR_UNAVAILABLE = Unavailable ERROR_CORRUPT = Corrupt ERROR_INTERNAL = Internal
        }
        slot_number of Slot { SLOT_ALERT = Alert SLOT_VOIP = Voip SLOT_LIVE_ACTIVITY = LiveActivity }
        device_number of DeviceKind {
            DEVICE_IOS = Ios DEVICE_IPAD = Ipad DEVICE_ANDROID = Android DEVICE_HARMONY = Harmony
            DEVICE_WEB = Web DEVICE_DESKTOP = Desktop
        }
        shape_number of PayloadShape {
            PAYLOAD_APNS = Apns PAYLOAD_INTENT = Intent PAYLOAD_XIAOMI = Xiaomi PAYLOAD_OPPO = Oppo
            PAYLOAD_TPNS = Tpns PAYLOAD_INTENT_EXTRAS = IntentExtras
        }
        how_number of Completed {
            COMPLETED_NEW_DATA = NewData COMPLETED_NO_DATA = NoData COMPLETED_FAILED = Failed
        }
        state_number of TokenState {
            TOKEN_OFF = Off TOKEN_NONE = NoToken TOKEN_WAITING = Waiting TOKEN_UPLOADING = Uploading
            TOKEN_UPLOADED = Uploaded
        }
    }
    questions
}

#[test]
fn the_structs_and_numbers_of_the_header_are_those_of_the_library() {
    let questions = questions();
    let lines: String = questions
        .iter()
        .map(|(it, _)| format!("    printf(\"%zu\\n\", {it});\n"))
        .collect();
    let folder = env::temp_dir().join(format!("push-bindings-layout-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder in the temporary one");
    let (source, program) = (folder.join("layout.c"), folder.join("layout"));
    let text =
        format!("#include \"offline_push.h\"\n#include <stdio.h>\nint main(void) {{\n{lines}}}\n");
    fs::write(&source, text).expect("room in the temporary folder");
    let compiled = Command::new("cc")
        .arg("-I")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("include"))
        .arg(&source)
        .arg("-o")
        .arg(&program)
        .output()
        .expect("cc can be started; `apt-get install build-essential` has it");
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    let output = Command::new(&program).output().expect("the program runs");
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    let said: Vec<(String, usize)> = questions
        .iter()
        .map(|(it, _)| it.clone())
        .zip(output.lines().map(|it| it.parse().expect("a number")))
        .collect();
    for number in 0..=6 {
        assert!(device_kind(number).is_ok(), "{number}");
        assert!(payload_shape(number).is_ok(), "{number}");
    }
    fs::remove_dir_all(folder).expect("the folder can be removed");
    assert_eq!(said, questions);
}
