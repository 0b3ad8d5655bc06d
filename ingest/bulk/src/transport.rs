//! Requests with the access token, which is renewed once when a server refuses it.

use std::sync::Arc;

use reqwest::{Response, StatusCode};
use url::Url;

use crate::auth::token::Authenticator;
use crate::error::{BulkError, Trouble};
use crate::http::{Answer, Ask, Http, refused};
use crate::options::Options;
use crate::patience::Patience;
use crate::text::{clean, shown};

/// The way to one server.
#[derive(Debug)]
pub(crate) struct Transport {
    http: Arc<Http>,
    auth: Authenticator,
}

impl Transport {
    pub(crate) fn new(base: &Url, options: &Options) -> Result<Self, BulkError> {
        let http = Arc::new(Http::new(base, &options.connection)?);
        let patience = Patience::new(options);
        let auth = Authenticator::new(options.auth.clone(), base.clone(), http.clone(), patience);
        Ok(Self { http, auth })
    }

    /// Sends a request, with the token if `ask` wants it and it may go there.
    pub(crate) async fn send(&self, ask: &Ask<'_>) -> Result<Answer, Trouble> {
        let wanted = ask.token && self.http.trust.carries(ask.url);
        let mut token = if wanted {
            self.auth.token().await?
        } else {
            None
        };
        let mut renewed = false;
        loop {
            let answer = self.http.send(ask, token.as_ref()).await?;
            let refused = answer.status() == StatusCode::UNAUTHORIZED && answer.carried;
            let Some(stale) = token.filter(|_| refused && !renewed) else {
                return Ok(answer);
            };
            match self.auth.renew(&stale).await? {
                None => return Ok(answer),
                Some(fresh) => (token, renewed) = (Some(fresh.secret), fresh.new),
            }
        }
    }

    /// The whole body, if it is not larger than `limit`.
    pub(crate) async fn body(
        &self,
        doing: &'static str,
        response: Response,
        limit: usize,
    ) -> Result<Vec<u8>, Trouble> {
        self.http.body(doing, response, limit).await
    }

    /// What an answer other than success means.
    pub(crate) async fn refusal(&self, doing: &'static str, answer: Answer) -> Trouble {
        let hint = self.hint(&answer);
        let scrub = |text: &str| self.auth.scrub(text);
        let mut trouble = self.http.refusal(doing, answer, scrub).await;
        if let BulkError::Refused { text, .. } = &mut trouble.error {
            // Again, for what was escaped in the body.
            *text = self.auth.scrub(text) + &hint;
        }
        trouble
    }

    /// What a body that is an error means, whatever its status.
    pub(crate) fn refused(&self, doing: &'static str, status: StatusCode, body: &[u8]) -> Trouble {
        let mut trouble = refused(doing, status, None, false, body);
        if let BulkError::Refused { text, .. } = &mut trouble.error {
            *text = self.auth.scrub(text);
        }
        trouble
    }

    /// Text of a server, to be shown or logged.
    pub(crate) fn clean(&self, text: &str, longest: usize) -> String {
        clean(&self.auth.scrub(text), longest)
    }

    /// A server on another origin asks for a token that it does not get.
    fn hint(&self, answer: &Answer) -> String {
        let refused = matches!(answer.status().as_u16(), 401 | 403);
        if !refused || answer.carried || self.http.trust.carries(&answer.url) {
            return String::new();
        }
        let mut origin = answer.url.clone();
        origin.set_path("/");
        format!(
            " (no token was sent, because {} is not the origin of the FHIR base; \
             trust it if it may see the token)",
            shown(&origin)
        )
    }
}
