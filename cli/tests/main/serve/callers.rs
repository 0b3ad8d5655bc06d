//! Who asks, over which connection, and what she is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use salus_server::proto::{Exhausted, Options, Refusal};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};
use tonic::{Code, Request, Status};

use super::{Client, Server, apply, detail, epsilon, over_tls, question, runtime, token};
use crate::support::{Home, PERSONS};

#[test]
fn only_who_bears_a_token_that_is_known_is_answered() {
    let home = Home::populated(&["--epsilon", "5"], 20);
    let server = Server::of(&home, &[]);
    let (id, alices) = token(&home, "alice");
    let (_, bens) = token(&home, "ben");
    server.client(&alices).ask(PERSONS, epsilon("0.1")).unwrap();
    let before = home.entries().len();
    for wrong in ["", "salus_guess", &alices[1..], &id] {
        let client = server.client(wrong);
        let refused = client.ask(PERSONS, epsilon("0.1")).unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{wrong}");
        for other in [
            client.price(PERSONS, Options::default()).err(),
            client.explain(PERSONS, Options::default()).err(),
            client.budget().err(),
        ] {
            let other = other.unwrap();
            assert_eq!(other.code(), Code::Unauthenticated);
            assert_eq!(other.message(), refused.message());
        }
    }
    // No token at all, and the caller's word.
    let mut stub = server.client("").stub;
    let mut request = Request::new(question(PERSONS, epsilon("0.1")));
    for (name, value) in [("user", "alice"), ("principal", "alice")] {
        request.metadata_mut().insert(name, value.parse().unwrap());
    }
    let refused = runtime().block_on(stub.ask(request)).unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    // Revoked beneath a running server.
    home.run(&["serve", "token", "revoke", &id]).exits(0);
    home.run(&["serve", "token", "revoke", &id]).exits(2);
    let refused = server.client(&alices).ask(PERSONS, epsilon("0.1"));
    assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);
    server.client(&bens).budget().unwrap();
    assert_eq!(home.entries().len(), before, "nobody's question is entered");
    // What is kept is no token.
    let file = home.root().join("tokens.yaml");
    let kept = fs::read_to_string(&file).unwrap();
    assert!(kept.contains("ben") && !kept.contains(&bens) && !kept.contains("salus_"));
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let listed = home.run(&["serve", "token", "list"]).exits(0).stdout;
    assert!(
        listed.contains("ben") && !listed.contains("alice"),
        "{listed}"
    );
}

#[test]
fn two_bearers_are_two_analysts_with_limits_of_their_own() {
    let home = Home::populated(&["--epsilon", "5"], 20);
    apply(&home, 2, "limits: [{ of: analyst, epsilon: \"0.5\" }]");
    let server = Server::of(&home, &[]);
    let client = |user: &str| server.client(&token(&home, user).1);
    let (alice, ben) = (client("alice"), client("ben"));
    let fresh = || Options {
        fresh: true,
        ..epsilon("0.45")
    };
    alice.ask(PERSONS, fresh()).unwrap();
    // Another token of hers is hers as well.
    for hers in [&alice, &client("alice")] {
        let limited = hers.ask(PERSONS, fresh()).unwrap_err();
        assert_eq!(limited.code(), Code::ResourceExhausted);
        let short: Exhausted = detail(&limited, "Exhausted");
        assert!(short.account.starts_with("analyst:p-"), "{short:?}");
        let left = short.remaining_rho.unwrap().parse::<f64>().unwrap();
        assert!(left > 0.0 && left < 0.01, "{left}");
        let same = home.run(&[
            "query",
            PERSONS,
            "--fresh",
            "--epsilon",
            "0.45",
            "--user",
            "alice",
        ]);
        let same = same.exits(4).stderr;
        assert_eq!(same.trim(), format!("salus: {}", limited.message()));
    }
    ben.ask(PERSONS, fresh()).unwrap();
    // She sees what is hers, and nothing of his.
    let limits = alice.budget().unwrap().limits;
    assert_eq!(limits.len(), 1, "{limits:?}");
    assert_eq!(
        home.json(&["budget", "show"])["limits"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    // The purse itself.
    let dear = alice
        .ask(PERSONS, Options { ..epsilon("0.9") })
        .unwrap_err();
    assert!(matches!(
        dear.code(),
        Code::ResourceExhausted | Code::InvalidArgument
    ));
    home.run(&["ledger", "verify"]).exits(0);
}

#[test]
fn a_refusal_carries_rule_place_and_hint_in_the_words_of_the_command() {
    let home = Home::populated(&["--epsilon", "5"], 20);
    let server = Server::of(&home, &[]);
    let client = server.client(&token(&home, "alice").1);
    let long = format!("SELECT COUNT(*) FROM patient -- {}", "x".repeat(70_000));
    for sql in [
        "SELECT person_id FROM patient",
        "SELECT cod FROM condition",
        "SET salus.colour = red; SELECT 1",
        &long,
    ] {
        let refused = client.ask(sql, Options::default()).unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
        let why: Refusal = detail(&refused, "Refusal");
        let done = home.with_input(&["--format", "json", "query", "-"], sql);
        let done = done.exits(3);
        let said: serde_json::Value = serde_json::from_str(&done.stderr).unwrap();
        for (field, words) in [
            ("rule", &why.rule),
            ("at", &why.at),
            ("message", &why.message),
            ("hint", &why.hint),
        ] {
            assert_eq!(said["error"][field].as_str(), Some(words.as_str()));
        }
        let explained = client.explain(sql, Options::default()).unwrap_err();
        assert_eq!(detail::<Refusal>(&explained, "Refusal"), why);
    }
    // More than the policy allows one question, and fields that cannot be meant.
    apply(&home, 2, "query_max_epsilon: \"1\"");
    let dear = client.ask(PERSONS, epsilon("3")).unwrap_err();
    assert_eq!(detail::<Refusal>(&dear, "Refusal").rule, "price");
    let entries = home.entries().len();
    for (options, field) in [
        (epsilon("much"), "options.epsilon"),
        (epsilon("0"), "options.epsilon"),
        (
            Options {
                confidence: Some("1".to_owned()),
                ..Options::default()
            },
            "options.confidence",
        ),
        (
            Options {
                noise: 9,
                ..Options::default()
            },
            "options.noise",
        ),
    ] {
        let wrong = client.ask(PERSONS, options).unwrap_err();
        let why: Refusal = detail(&wrong, "Refusal");
        assert_eq!((why.rule.as_str(), why.at.as_str()), ("option", field));
    }
    let huge = "x".repeat(300_000);
    let huge = client.ask(&huge, Options::default()).unwrap_err();
    assert_eq!(huge.code(), Code::OutOfRange);
    assert_eq!(home.entries().len(), entries, "they were not asked");
}

/// An authority that nobody knows.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// A certificate for a name, and its key; PEM.
    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn config(&self) -> ClientTlsConfig {
        ClientTlsConfig::new().ca_certificate(Certificate::from_pem(self.0.pem()))
    }
}

#[test]
fn beyond_the_loopback_there_is_tls_or_nothing() {
    let home = Home::populated(&["--epsilon", "5"], 20);
    let refused = home.run(&["serve", "--listen", "0.0.0.0:0"]).exits(2);
    assert!(refused.stderr.contains("--tls-cert"), "{refused:?}");
    home.run(&["serve", "--tls-cert", "server.pem"]).exits(2);

    // Both libraries of ciphers are linked into this process, too.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (ours, others) = (Authority::new(), Authority::new());
    let file = |name: &str, text: &str| {
        let file = home.beside(name);
        fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let (certificate, key) = ours.issue("127.0.0.1");
    let tls = [
        "--tls-cert".to_owned(),
        file("server.pem", &certificate),
        "--tls-key".to_owned(),
        file("server.key", &key),
    ];
    let tls: Vec<&str> = tls.iter().map(String::as_str).collect();
    let (_, token) = token(&home, "alice");
    let server = Server::of(&home, &tls);
    assert!(server.url.starts_with("https://"));
    let answered = |channel| Client::over(channel, &token).ask(PERSONS, epsilon("0.1"));
    let answer = answered(over_tls(&server.url, ours.config()).unwrap()).unwrap();
    // An authority that did not sign, a name that is not the server's, and no TLS at all.
    over_tls(&server.url, others.config()).unwrap_err();
    let elsewhere = ours.config().domain_name("elsewhere.example");
    over_tls(&server.url, elsewhere).unwrap_err();
    let entered = home.entries().len();
    let plain = Client::at(&server.url.replace("https", "http"), &token);
    unheard(&plain.ask(PERSONS, epsilon("0.1")).unwrap_err());
    assert_eq!(home.entries().len(), entered);
    // A certificate does not replace the token.
    let nobody = Client::over(over_tls(&server.url, ours.config()).unwrap(), "salus_guess");
    assert_eq!(nobody.budget().unwrap_err().code(), Code::Unauthenticated);
    drop(server);

    // With authorities of clients, both are needed.
    let clients = file("clients.pem", &others.0.pem());
    let server = Server::of(&home, &[&tls[..], &["--client-ca", &clients]].concat());
    let with = |authority: &Authority| {
        let (certificate, key) = authority.issue("alice.example");
        ours.config().identity(Identity::from_pem(certificate, key))
    };
    let known = over_tls(&server.url, with(&others)).unwrap();
    assert_eq!(answered(known.clone()).unwrap().rows, answer.rows);
    let nobody = Client::over(known, "salus_guess").budget().unwrap_err();
    assert_eq!(nobody.code(), Code::Unauthenticated);
    let entered = home.entries().len();
    // In TLS 1.3 a client learns with its first call that its certificate was not accepted.
    for stranger in [ours.config(), with(&ours)] {
        if let Ok(channel) = over_tls(&server.url, stranger) {
            unheard(&answered(channel).unwrap_err());
        }
    }
    assert_eq!(home.entries().len(), entered);
}

/// The call ended in the transport. Which code the client's library gives it depends on which end
/// of the connection it meets first: an alert, a reset, or a pipe that is closed.
fn unheard(refused: &Status) {
    let codes = [
        Code::Unavailable,
        Code::Internal,
        Code::Unknown,
        Code::Cancelled,
    ];
    assert!(codes.contains(&refused.code()), "{refused:?}");
    assert!(refused.details().is_empty(), "{refused:?}");
}
