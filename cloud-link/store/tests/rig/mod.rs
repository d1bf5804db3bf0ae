//! Both engines, each empty: SQLite in a file, PostgreSQL as a server of the test's own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use branchline_store::{Place, Store, StoreError};
use tempfile::TempDir;

/// An engine; [`empty`](Rig::empty) makes stores on it.
pub(crate) struct Rig {
    pub(crate) name: &'static str,
    pub(crate) place: Place,
    files: Rc<TempDir>,
    server: Option<Rc<Server>>,
}

impl Rig {
    pub(crate) fn sqlite() -> Rig {
        Rig {
            name: "SQLite",
            place: Place::Sqlite(PathBuf::new()),
            files: Rc::new(tempfile::tempdir().unwrap()),
            server: None,
        }
    }

    pub(crate) fn postgres() -> Rig {
        let files = tempfile::tempdir().unwrap();
        let server = Server::start(files.path());
        server.run("CREATE ROLE branchline LOGIN");
        Rig {
            name: "PostgreSQL",
            place: Place::Postgres(String::new()),
            files: Rc::new(files),
            server: Some(Rc::new(server)),
        }
    }

    /// A place with nothing in it, on the same engine.
    pub(crate) fn empty(&self, name: &str) -> Rig {
        // PostgreSQL's longest name.
        let name = &name[..name.len().min(60)];
        let place = match &self.server {
            None => Place::Sqlite(self.files.path().join(name)),
            Some(server) => {
                server.run(&format!("CREATE DATABASE {name} OWNER branchline"));
                Place::Postgres(server.url("branchline", name))
            }
        };
        Rig {
            place,
            files: Rc::clone(&self.files),
            server: self.server.clone(),
            ..*self
        }
    }

    pub(crate) fn open(&self) -> Store {
        block_on(Store::open(&self.place)).unwrap()
    }

    /// The address of this place for another role; PostgreSQL only.
    pub(crate) fn url_as(&self, role: &str) -> String {
        match &self.place {
            Place::Postgres(url) => url.replace("user=branchline", &format!("user={role}")),
            Place::Sqlite(path) => panic!("{} has no roles", path.display()),
        }
    }

    /// Past the store, as somebody with the disk or the server would.
    pub(crate) fn meddle(&self, sql: &str) {
        match &self.place {
            Place::Sqlite(path) => rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap(),
            Place::Postgres(_) => {
                let (url, sql) = (self.url_as("administrator"), sql.to_owned());
                // The blocking client does not run inside of a runtime.
                let done = std::thread::spawn(move || connect(&url).unwrap().batch_execute(&sql).unwrap());
                done.join().unwrap();
            }
        }
    }
}

pub(crate) fn connect(url: &str) -> Result<postgres::Client, postgres::Error> {
    postgres::Client::connect(url, postgres::NoTls)
}

/// A server in a folder, reached over a socket there.
struct Server {
    folder: PathBuf,
    process: Child,
}

impl Server {
    fn start(folder: &Path) -> Server {
        let data = folder.join("data");
        as_postgres_owner(folder);
        let made = as_postgres(&program("initdb"))
            .arg("--pgdata")
            .arg(&data)
            .args([
                "--auth=trust",
                "--username=administrator",
                "--encoding=UTF8",
                "--no-sync",
                "--locale=C",
            ])
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success(), "initdb: {made}");
        let process = as_postgres(&program("postgres"))
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder)
            .args(["-c", "listen_addresses=", "-c", "max_connections=60"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Server {
            folder: folder.to_owned(),
            process,
        };
        let deadline = now() + Duration::from_secs(60);
        while !folder.join(".s.PGSQL.5432").exists() || connect(&server.url("administrator", "postgres")).is_err() {
            assert!(now() < deadline, "PostgreSQL did not start");
            std::thread::yield_now();
        }
        server
    }

    fn url(&self, role: &str, database: &str) -> String {
        format!("postgresql:///{database}?host={}&user={role}", self.folder.display())
    }

    /// In the database `postgres`, as its administrator.
    fn run(&self, sql: &str) {
        let (url, sql) = (self.url("administrator", "postgres"), sql.to_owned());
        std::thread::spawn(move || connect(&url).unwrap().batch_execute(&sql).unwrap())
            .join()
            .unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGINT: it ends at once and takes its own processes along.
        let _ = Command::new("kill")
            .args(["-INT", &self.process.id().to_string()])
            .status();
        let _ = self.process.wait();
    }
}

/// The server refuses to run as root.
fn as_postgres(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
        .arg(program);
    command
}

fn as_postgres_owner(folder: &Path) {
    if is_root() {
        let owned = Command::new("chown")
            .arg("postgres:postgres")
            .arg(folder)
            .status()
            .unwrap();
        assert!(owned.success());
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Debian keeps the programs of each version apart.
fn program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("the package postgresql is needed");
    let mut found: Vec<PathBuf> = versions
        .map(|entry| entry.unwrap().path().join("bin").join(name))
        .collect();
    found.sort();
    found.pop().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "waits for a server")]
fn now() -> Instant {
    Instant::now()
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

/// What went wrong, or a panic.
pub(crate) fn refused<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> String {
    outcome.unwrap_err().to_string()
}
