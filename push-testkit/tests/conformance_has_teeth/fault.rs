//! The ways in which the sample provider can be broken.
use push_core::Describe;
use serde::Deserialize;

macro_rules! faults {
    ($($fault:ident $what:literal => $case:ident;)*) => {
        /// One mistake that an author of a provider makes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Describe)]
        pub(crate) enum Fault { $(#[doc = $what] $fault,)* }

        impl Fault {
            /// Every fault, what it is, and the case that catches it.
            pub(crate) const ALL: &'static [(Self, &'static str, &'static str, crate::Case)] = &[
                $((Self::$fault, $what, stringify!($case), push_testkit::conformance::cases::$case),)*
            ];
        }
    };
}

faults! {
    DeadWithoutVerdict "no verdict for the dead targets of a batch" => each_target_gets_the_verdict_of_its_own_token;
    VerdictsSwapped "the verdicts of the first and the last target swapped" => each_target_gets_the_verdict_of_its_own_token;
    WholeBatchDead "one dead target makes all targets dead" => each_target_gets_the_verdict_of_its_own_token;
    LastTargetsDropped "targets beyond the fiftieth are not sent" => every_target_is_sent_once_with_its_own_content;
    FirstContentForAll "every target gets the content of the first" => every_target_is_sent_once_with_its_own_content;
    FirstBadgeForAll "every target gets the badge of the first" => every_target_is_sent_once_with_its_own_content;
    ReceiverMissing "the receiver is not named" => everything_it_can_do_is_declared;
    DeliveryOfFirst "a message for several targets names the delivery of the first" => every_target_is_sent_once_with_its_own_content;
    ReceiverOfFirst "a message for several users names the first" => a_receiver_is_named_where_a_message_has_one;
    RetriesInside "sends again after an outage" => an_outage_passes_and_costs_no_token;
    RetriesUnknown "sends again after a lost answer" => an_answer_that_is_lost_leaves_the_verdict_unknown;
    ExpiryIgnored "the same time to live for everything" => a_notification_lives_until_it_expires;
    TtlInMillis "the time to live in milliseconds instead of seconds" => a_notification_lives_until_it_expires;
    TtlTooLong "the longest time to live is not kept to" => a_notification_lives_until_it_expires;
    TtlTooShort "the shortest time to live is not kept to" => a_notification_lives_until_it_expires;
    BadgeZeroMissing "the badge 0 is left out" => the_badge_is_sent_as_the_capabilities_say;
    BadgeAdded "the badge is added instead of set" => the_badge_is_sent_as_the_capabilities_say;
    TextCutInCharacter "text is cut inside a character" => text_is_cut_to_the_vendors_limit_between_characters;
    TextNotCut "text is not cut" => text_is_cut_to_the_vendors_limit_between_characters;
    TextCutInBytes "text is cut in bytes instead of UTF-16 units" => text_is_cut_to_the_vendors_limit_between_characters;
    ExtMissing "`ext` is missing in the click" => the_click_data_reaches_the_app_unchanged;
    ExtShortened "`ext` is shortened to fit" => what_is_too_large_is_refused_before_anything_is_sent;
    ExtWrittenAgain "`ext` is parsed and written again" => the_click_data_reaches_the_app_unchanged;
    FieldRedirects "a vendor field may change the token" => a_vendor_field_never_changes_receiver_credential_or_click_data;
    FieldAddresses "a vendor field may name an app or a certificate" => a_vendor_field_never_changes_receiver_credential_or_click_data;
    FieldChangesExt "a vendor field may change `ext`" => a_vendor_field_never_changes_receiver_credential_or_click_data;
    FieldsOnlyChecked "protected fields are refused at submission, but laid over at send" => a_vendor_field_never_changes_receiver_credential_or_click_data;
    OverlayFromCredential "the credential's value wins over the message's" => vendor_fields_are_merged_into_the_payload;
    OverlayShallow "objects are replaced instead of merged" => vendor_fields_are_merged_into_the_payload;
    NewIdOnRepeat "another request id on a repetition" => a_repeated_batch_is_the_same_request;
    NewTagOnRepeat "another receipt tag on a repetition" => a_repeated_batch_is_the_same_request;
    CollapseCut "the collapse key is cut to 32 bytes" => a_collapse_key_distinguishes_conversations;
    BackgroundShown "a background push shows its text" => each_kind_of_push_is_sent_as_such_or_refused;
    FirstStepUnknown "a lost first step counts as unknown" => a_first_step_that_fails_sends_nothing;
    LastStepUnavailable "a lost last step counts as not sent" => an_answer_that_is_lost_leaves_the_verdict_unknown;
    NeverRenewed "an access token is never renewed by age" => an_access_token_is_renewed_by_its_age;
    RefusedNotRenewed "a refused access token is not renewed" => an_expired_access_token_is_renewed_once_and_the_request_sent_again;
    FetchedByEach "each send fetches its own access token" => a_hundred_sends_at_once_are_all_accepted;
    DroppedFetchBlocks "a dropped fetch of the access token blocks the next" => a_send_dropped_while_authenticating_does_not_block_the_next;
    AuthLimitAccuses "a rate limit of the token endpoint refuses the credential" => a_limit_of_the_token_endpoint_does_not_accuse_the_credential;
    AuthOutageAccuses "an outage of the token endpoint refuses the credential" => a_token_endpoint_that_fails_is_an_outage;
    LifeBelieved "an access token is believed to be valid for as long as is said" => a_life_of_an_access_token_that_makes_no_sense_is_bounded;
    AuthHammered "a failing token endpoint is asked by every send" => a_failing_token_endpoint_is_left_alone_for_a_while;
    TokenLeaks "the vendor's message is kept with the token in it" => no_token_text_or_secret_shows;
    TextLeaks "the vendor's message is kept with the text in it" => no_token_text_or_secret_shows;
    SecretLeaks "the token endpoint's message is kept with the secret in it" => no_token_text_or_secret_shows;
    AccessLeaks "`Debug` of the provider shows the access token" => no_token_text_or_secret_shows;
    ProxyAccuses "a proxy's page with 403 refuses the credential" => an_answer_of_another_server_is_an_outage;
    ProxyEnds "a proxy's JSON with 403 ends the push" => an_answer_of_another_server_is_an_outage;
    SuccessByStatus "any 200 is accepted" => an_unknown_code_is_kept_and_classified_by_its_status;
    SuccessUnconfirmed "a success that confirms no push is accepted" => a_success_that_confirms_nothing_is_not_accepted;
    UnknownIsDead "an unknown code makes the token dead" => an_unknown_code_is_kept_and_classified_by_its_status;
    UnknownAccuses "an unknown code with 401 refuses the credential" => an_unknown_code_is_kept_and_classified_by_its_status;
    CodeLost "the vendor's code is not kept" => an_unknown_code_is_kept_and_classified_by_its_status;
    TargetAccuses "an answer about one target refuses the credential" => a_refusal_of_one_target_never_suspends_the_credential;
    MutedIsDead "a muted device's token is dead" => a_token_that_is_unusable_is_quarantined_and_not_dead;
    RetryAfterIgnored "`retry-after` is ignored" => a_limit_is_obeyed_for_as_long_as_the_vendor_says;
    LimitTooWide "a limit of one token stops the credential" => a_limit_is_obeyed_for_as_long_as_the_vendor_says;
    ForgedReceipt "a receipt's signature is not checked" => a_forged_receipt_is_refused;
    ReceiptPanics "a receipt of another form panics" => a_damaged_receipt_is_refused_without_harm;
    TokenNotCanonical "two spellings of a token are two tokens" => a_token_has_one_canonical_form;
    AnyTextIsToken "the description of a token is accepted as one" => a_token_has_one_canonical_form;
    ValueRepeated "the error of a configuration repeats the value" => a_value_of_another_kind_is_refused_in_our_words;
    EndsCount "a line break at the end of a value is a fault" => a_value_is_read_whatever_editors_added_around_it;
    FaultsOneByOne "only the first fault of a configuration is named" => every_fault_of_a_configuration_is_named_at_once;
    ClearText "a clear-text endpoint is accepted" => an_endpoint_elsewhere_must_be_https;
    PolicyIgnored "the gateway's address policy is not handed to the client" => the_address_policy_of_the_gateway_is_obeyed;
    PanicsOnAnswer "an answer of another form panics" => an_answer_of_any_bytes_gives_one_verdict_for_each_target;
    PortalVouches "`verify` takes a captive portal's page for a good credential" => verify_distinguishes_a_good_credential_from_an_outage;
    UnknownVouches "`verify` takes a code that it does not know for a good credential" => verify_is_satisfied_by_the_vendors_own_answer_alone;
    HeadVouches "`verify` takes a lost answer for a good credential" => verify_is_satisfied_by_the_vendors_own_answer_alone;
    WayUnsaid "what is wrong with the server is not said" => a_server_that_is_not_the_vendors_is_named_by_what_is_wrong_with_it;
    AuthorityIgnored "certificate authorities that cannot be read are left out" => a_certificate_authority_that_cannot_be_read_is_refused_in_our_words;
    OutageIsRefusal "`verify` takes an outage for a refusal" => verify_distinguishes_a_good_credential_from_an_outage;
}
