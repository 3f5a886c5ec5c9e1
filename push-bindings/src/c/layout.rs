//! The header's structs and numbers are those of the library.
use std::{env, fs, mem::offset_of, path::Path, process::Command};

use super::{
    callbacks::{CEntity, CEvent, Callbacks},
    config::{CCertificate, CConfig},
};

/// The lines of a C program that prints what the header says, with what the library says.
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
            size name words is_trouble slot code user by delivery target_user target_group
        }
        "offline_push_callbacks" is Callbacks {
            size user_data ask_permission request_token navigate_to_chat hook set_badge on_main answer_call
            process_notification event
        }
    }
    questions
}

#[test]
fn the_structs_of_the_header_are_those_of_the_library() {
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
    let told = Command::new(&program).output().expect("the program runs");
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let said: Vec<(String, usize)> = questions
        .iter()
        .map(|(it, _)| it.clone())
        .zip(told.lines().map(|it| it.parse().expect("a number")))
        .collect();
    fs::remove_dir_all(folder).expect("the folder can be removed");
    assert_eq!(said, questions);
}
