//! The calls of `salus.v1.Private`.

use std::sync::Arc;

use salus_ledger::Ledger;
use salus_query::{AskError, Quote};
use tonic::{Request, Response, Status};

use crate::caller::Caller;
use crate::desk::Desk;
use crate::house::{Fault, House};
use crate::proto::{self, private_server::Private};
use crate::request::asking;
use crate::{reply, status};

/// The service over a house.
#[derive(Debug)]
pub(crate) struct Service<H> {
    house: Arc<H>,
    desk: Arc<Desk>,
}

impl<H: House> Service<H> {
    pub(crate) fn new(house: Arc<H>, desk: Arc<Desk>) -> Self {
        Self { house, desk }
    }

    /// The price of a question, and the conversion delta that it is shown at.
    async fn quote(
        house: &H,
        question: proto::Question,
        caller: &Caller,
    ) -> Result<(Quote, salus_accounting::Delta), Status> {
        let (sql, asking) = asking(question, caller)?;
        let engine = match house.prices().await {
            Ok(engine) => engine,
            Err(fault) => return Err(unopened(house, &fault).await),
        };
        match engine.quote(&sql, &asking).await {
            Ok(quote) => Ok((quote, engine.conversion_delta())),
            Err(error) => Err(failed(house, error).await),
        }
    }
}

/// The status of an error; a ledger that did not serve is opened again.
async fn failed(house: &impl House, error: AskError) -> Status {
    use salus_ledger::Error::{Bug, Integrity, Unavailable};
    if matches!(
        error,
        AskError::Ledger(Integrity(_) | Unavailable(_) | Bug(_))
    ) {
        house.distrust().await;
    }
    status::of_ask(house, error)
}

/// The status where no engine opened. It may be the ledger that failed while the books were caught up: it is opened again.
async fn unopened(house: &impl House, fault: &Fault) -> Status {
    house.distrust().await;
    status::of_fault(house, fault)
}

/// Who was let in. Without the check at the door there is nobody.
fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    let caller = request.extensions().get::<Caller>().cloned();
    caller.ok_or_else(|| Status::unauthenticated("nobody asks"))
}

#[tonic::async_trait]
impl<H: House> Private for Service<H> {
    async fn ask(
        &self,
        request: Request<proto::Question>,
    ) -> Result<Response<proto::Answer>, Status> {
        let caller = caller(&request)?;
        let house = Arc::clone(&self.house);
        let work = async move {
            let house = house.as_ref();
            let fault = |fault| status::of_fault(house, &fault);
            let (sql, asking) = asking(request.into_inner(), &caller)?;
            let engine = match house.engine().await {
                Ok(engine) => engine,
                Err(fault) => return Err(unopened(house, &fault).await),
            };
            let asked = match engine.ask(&sql, &asking).await {
                Ok(asked) => asked,
                Err(error) => return Err(failed(house, error).await),
            };
            let key = house.prove(&asked).await.map_err(fault)?;
            Ok(reply::answer(&asked, engine.conversion_delta(), key))
        };
        self.desk.work(work).await.map(Response::new)
    }

    async fn price(
        &self,
        request: Request<proto::Question>,
    ) -> Result<Response<proto::Quote>, Status> {
        let caller = caller(&request)?;
        let house = Arc::clone(&self.house);
        let work = async move {
            let (quote, conversion) = Self::quote(&house, request.into_inner(), &caller).await?;
            let declined = |why| status::of_ask(house.as_ref(), why);
            Ok(reply::quote(quote, conversion, declined))
        };
        self.desk.work(work).await.map(Response::new)
    }

    async fn explain(
        &self,
        request: Request<proto::Question>,
    ) -> Result<Response<proto::Explanation>, Status> {
        let caller = caller(&request)?;
        let house = Arc::clone(&self.house);
        let work = async move {
            let (quote, conversion) = Self::quote(&house, request.into_inner(), &caller).await?;
            Ok(reply::explanation(&quote, conversion))
        };
        self.desk.work(work).await.map(Response::new)
    }

    async fn budget(
        &self,
        request: Request<proto::BudgetRequest>,
    ) -> Result<Response<proto::BudgetReply>, Status> {
        let caller = caller(&request)?;
        let house = Arc::clone(&self.house);
        let work = async move {
            let house = house.as_ref();
            let fault = |fault| status::of_fault(house, &fault);
            let ledger = house.ledger().await.map_err(fault)?;
            match budget(&ledger, &caller).await {
                Ok(reply) => Ok(reply),
                Err(error) => Err(failed(house, error.into()).await),
            }
        };
        self.desk.work(work).await.map(Response::new)
    }
}

/// The purse and the limits that hold for the caller. What other analysts have spent is theirs.
async fn budget(ledger: &Ledger, caller: &Caller) -> salus_ledger::Result<proto::BudgetReply> {
    let purse = ledger.account().await?;
    let limits = ledger.limits().await?;
    let limits = limits.iter().filter(|limit| concerns(&limit.scope, caller));
    Ok(proto::BudgetReply {
        purse: Some(reply::account(&purse)),
        limits: limits.map(reply::account).collect(),
        conversion_delta: purse.conversion_delta.to_string(),
    })
}

/// Whether the account of a limit is everybody's, or the caller's.
fn concerns(scope: &str, Caller(name): &Caller) -> bool {
    let (share, whom) = scope.split_once(':').unwrap_or((scope, ""));
    let analysts = share == "analyst" || share.starts_with("analyst/");
    !analysts || whom == name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_analyst_sees_her_own_limits_and_everybodys() {
        let ada = Caller("p-ada".to_owned());
        for (scope, sees) in [
            ("analyst:p-ada", true),
            ("analyst:p-ben", false),
            ("analyst/86400/20000:p-ada", true),
            ("analyst/86400/20000:p-ben", false),
            ("space/86400/20000:population", true),
            ("dataset:main", true),
            ("purpose:PUBHLTH", true),
        ] {
            assert_eq!(concerns(scope, &ada), sees, "{scope}");
        }
    }
}
