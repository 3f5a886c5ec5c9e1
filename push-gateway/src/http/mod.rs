//! The HTTP API: `/v1` with its OpenAPI document, health, and the ways in that plugins bring.
mod auth;
mod body;
mod credentials;
mod devices;
mod extract;
mod json;
mod key;
mod limits;
mod messages;
mod problem;
mod rate;
mod receipts;
mod room;
mod schema;
mod serve;
mod settings;
mod tags;
mod traces;

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing,
};
use http::StatusCode;
use push_core::{Faults, Ingress, Result, api::RECEIPT_SIGNATURE};
use utoipa::{
    OpenApi,
    openapi::security::{
        ApiKey as OpenApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme,
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use self::{
    auth::{Anybody, Keys},
    body::{Raw, Rules},
    limits::{Kind, Limits},
    problem::Problem,
    room::Room,
};
pub use self::{
    key::{ApiKey, KeyScope},
    serve::serve,
    settings::{HttpSettings, PhoneSettings},
};
use crate::gateway::Gateway;

/// What handlers use.
pub(crate) struct Api {
    pub(crate) gateway: Gateway,
    pub(crate) keys: Keys,
    pub(crate) settings: HttpSettings,
    limits: Limits,
    document: String,
    /// What bodies of IM servers and operators, of ways in, and of vendors may take of the memory.
    rooms: [Room; 3],
}

impl Api {
    /// Counts a refused key, ticket, signature or secret.
    fn refused(&self, credential: &str, why: &str) {
        self.gateway.0.services.metrics.refusals(credential, why, 1);
    }

    /// How bodies of requests of this kind are read.
    fn rules(&self, kind: Kind) -> Rules {
        let HttpSettings { phones, .. } = &self.settings;
        let (limit, timeout, room) = match kind {
            Kind::Server => (
                self.settings.body_limit,
                self.settings.body_timeout,
                Some(0),
            ),
            Kind::WayIn => (
                self.settings.body_limit,
                self.settings.body_timeout,
                Some(1),
            ),
            Kind::Vendor => (receipts::MAX_BYTES, self.settings.body_timeout, Some(2)),
            Kind::Phone => (phones.body_limit, phones.body_timeout, None),
        };
        Rules {
            limit,
            timeout,
            room: room.map(|room: usize| self.rooms[room].clone()),
            clock: Arc::clone(&self.gateway.0.services.clock),
        }
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api")
            .field("keys", &self.keys)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "offline-push",
        description = "Offline push for IM: messages in, pushes out, and where each one is.\n\nErrors are problem documents (RFC 9457) with a stable `code`."
    ),
    tags(
        (name = "server", description = "For IM servers, with an API key of scope `server`"),
        (name = "admin", description = "For operators, with an API key of scope `admin`"),
        (name = "phone", description = "For the app half, with a ticket; receipts with the device's receipt key"),
        (name = "vendor", description = "For push vendors, who post receipts to the address of a credential")
    )
)]
struct Document;

/// The OpenAPI document of `/v1`, in JSON.
pub fn openapi() -> String {
    let (_, document) = api_router().split_for_parts();
    finish(document)
}

fn finish(mut document: utoipa::openapi::OpenApi) -> String {
    let bearer = |format: &str| {
        SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .bearer_format(format)
                .build(),
        )
    };
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("key", bearer("API key"));
    components.add_security_scheme("ticket", bearer("ticket"));
    let signature = ApiKeyValue::with_description(
        RECEIPT_SIGNATURE,
        "A signature with the receipt key of the device, as the operation says",
    );
    let signature = SecurityScheme::ApiKey(OpenApiKey::Header(signature));
    components.add_security_scheme("receipt-key", signature);
    document
        .to_pretty_json()
        .unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
}

fn api_router() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(messages::submit))
        .routes(routes!(messages::recall))
        .routes(routes!(messages::presence))
        .routes(routes!(messages::ticket))
        .routes(routes!(traces::of_message))
        .routes(routes!(traces::of_delivery))
        .routes(routes!(traces::of_user))
        .routes(routes!(traces::find))
        .routes(routes!(tags::set, tags::get))
        .routes(routes!(traces::reasons))
        .routes(routes!(traces::metrics))
        .routes(routes!(credentials::add, credentials::list))
        .routes(routes!(credentials::rotate, credentials::remove))
        .routes(routes!(credentials::verify))
        .routes(routes!(credentials::resume))
        .routes(routes!(devices::register, devices::unregister_slot))
        .routes(routes!(devices::unregister))
        .routes(routes!(devices::presence))
        .routes(routes!(receipts::post, receipts::get))
        .routes(routes!(devices::receipts))
}

/// Everything that is answered over HTTP: `/v1`, `/v1/openapi.json`, `/healthz`, and `ingresses` below their prefixes.
///
/// # Errors
/// [`ErrorKind::Config`](push_core::ErrorKind::Config) for unusable API keys, settings that cannot work, and prefixes that overlap.
pub fn router(
    gateway: &Gateway,
    settings: &HttpSettings,
    ingresses: &[Arc<dyn Ingress>],
) -> Result<Router> {
    settings.check()?;
    check_prefixes(ingresses)?;
    let (routes, document) = api_router().split_for_parts();
    let api = Arc::new(Api {
        gateway: gateway.clone(),
        keys: Keys::new(&settings.keys)?,
        limits: Limits::new(settings),
        rooms: [
            settings.body_limit,
            settings.body_limit,
            receipts::MAX_BYTES,
        ]
        .map(|limit| Room::new(settings.body_memory, limit)),
        document: finish(document),
        settings: settings.clone(),
    });
    let mut routes = routes
        .route("/v1/openapi.json", routing::get(document_json))
        .with_state(Arc::clone(&api));
    for ingress in ingresses {
        routes = mount(routes, gateway, ingress);
    }
    Ok(routes
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn_with_state(api, bound))
        .route(
            "/healthz",
            routing::get(healthz).with_state(gateway.clone()),
        ))
}

/// Whether the gateway can keep what it accepts.
async fn healthz(State(gateway): State<Gateway>) -> Result<&'static str, Problem> {
    match gateway.check().await {
        Ok(()) => Ok("ok"),
        Err(error) => {
            tracing::error!(%error, "the gateway is not healthy");
            // Anybody may ask: of a path only the name of the file.
            let file = error.place().and_then(|place| place.rsplit('/').next());
            let detail = match file {
                Some(file) => format!("{file}: {}", error.message()),
                None => error.message().to_owned(),
            };
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-healthy").detail(detail))
        }
    }
}

/// Checks that the ways in share no path.
///
/// # Errors
/// [`ErrorKind::Config`](push_core::ErrorKind::Config) with everything that is wrong, at the number of the way in, as in `[1].prefix`.
pub fn check_prefixes(ingresses: &[Arc<dyn Ingress>]) -> Result<()> {
    let mut faults = Faults::default();
    let mut taken = BTreeSet::from(["v1", "healthz"]);
    for (n, ingress) in ingresses.iter().enumerate() {
        let prefix = ingress.prefix();
        let first = prefix.trim_start_matches('/').split('/').next();
        let well_formed = prefix.starts_with('/')
            && !prefix.ends_with('/')
            && !prefix.contains(['{', '}', '*', '?', '#', ' ']);
        let key = format!("[{n}].prefix");
        match first.filter(|it| well_formed && !it.is_empty()) {
            None => faults.refuse(
                true,
                &key,
                format!("`{prefix}` is no prefix for a way in: write it like `/tencent`"),
            ),
            Some(first) => faults.refuse(
                !taken.insert(first),
                &key,
                format!("the path `/{first}` is taken"),
            ),
        }
    }
    faults.result()
}

fn mount(routes: Router, gateway: &Gateway, ingress: &Arc<dyn Ingress>) -> Router {
    let prefix = ingress.prefix().to_owned();
    let state = (gateway.clone(), Arc::clone(ingress));
    let below = Router::new()
        .route(&prefix, routing::any(enter))
        .route(&format!("{prefix}/{{*rest}}"), routing::any(enter))
        .with_state(state);
    routes.merge(below)
}

/// Hands a request to a way in, which authenticates it itself.
async fn enter(
    State((gateway, ingress)): State<(Gateway, Arc<dyn Ingress>)>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let mut head = http::Request::new(());
    *head.method_mut() = parts.method.clone();
    *head.uri_mut() = parts.uri.clone();
    *head.version_mut() = parts.version;
    *head.headers_mut() = parts.headers.clone();
    let request = Request::from_parts(parts, body);
    let raw = <Raw as axum::extract::FromRequest<()>>::from_request(request, &()).await?;
    let request: http::Request<Bytes> = head.map(|()| raw.bytes.clone());
    let response = ingress.handle(Arc::new(gateway), request).await;
    Ok(response.map(Body::from))
}

/// Bounds how many requests run, how long each may take and how much of its body is read; counts the answers.
async fn bound(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let kind = Kind::of(request.uri().path());
    request.extensions_mut().insert(api.rules(kind));
    let response = match api.limits.place(kind) {
        Err(problem) => problem.into_response(),
        Ok(_place) => {
            tokio::select! {
                response = next.run(request) => response,
                () = api.gateway.0.services.clock.sleep(api.settings.timeout) => {
                    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "timeout")
                        .detail("the request took too long; what it asked for may still happen")
                        .retry_after(Duration::from_secs(1))
                        .into_response()
                }
            }
        }
    };
    let metrics = &api.gateway.0.services.metrics;
    metrics.responses(response.status().as_str(), 1);
    response
}

async fn document_json(State(api): State<Arc<Api>>, _caller: Anybody) -> impl IntoResponse {
    (
        [(http::header::CONTENT_TYPE, "application/json")],
        api.document.clone(),
    )
}

async fn no_such_path() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no-such-path")
        .detail("there is nothing here; /v1/openapi.json lists what there is")
}

async fn no_such_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "no-such-method")
        .detail("this path does not answer this method; /v1/openapi.json lists what there is")
}
