//! A disk that is waited for so long and no longer: whoever writes on it is told when it hangs, and can go elsewhere.
//!
//! Each home has a thread that does what the writer asks of its disk. An operation that does not return in time is an
//! error; its thread goes on waiting, and what is asked meanwhile fails at once. A write that the disk does in the end
//! after all is in two homes then, and counts once, as entries are numbered.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::thread;
use std::time::Duration;

use crate::disk::{Disk, DiskFile};
use crate::hand::SLOW;

type Job = Box<dyn FnOnce() + Send>;

/// A whole segment, at the start.
const READ_WITHIN: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct PatientDisk {
    inner: Arc<dyn Disk>,
    homes: Vec<(PathBuf, Arc<Worker>)>,
}

#[derive(Debug)]
struct PatientFile {
    inner: Arc<dyn DiskFile>,
    worker: Arc<Worker>,
}

/// Does one thing at a time, for one who asks.
#[derive(Debug)]
pub(crate) struct Worker {
    jobs: SyncSender<Job>,
    is_busy: Arc<AtomicBool>,
}

impl PatientDisk {
    /// Waits so for the disks of these homes.
    pub(crate) fn new(inner: Arc<dyn Disk>, homes: &[PathBuf]) -> io::Result<PatientDisk> {
        let with_worker = |home: &PathBuf| Ok((home.clone(), Arc::new(Worker::start("journal-write")?)));
        Ok(PatientDisk {
            inner,
            homes: homes.iter().map(with_worker).collect::<io::Result<_>>()?,
        })
    }

    fn ask<T: Send + 'static>(
        &self,
        (path, within): (&Path, Duration),
        what: impl FnOnce(&dyn Disk, &Path) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let (inner, path) = (Arc::clone(&self.inner), path.to_owned());
        self.worker(&path)?.ask(within, move || what(&*inner, &path))?
    }

    fn open(
        &self,
        path: &Path,
        what: fn(&dyn Disk, &Path) -> io::Result<Arc<dyn DiskFile>>,
    ) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(PatientFile {
            inner: self.ask((path, SLOW), what)?,
            worker: Arc::clone(self.worker(path)?),
        }))
    }

    fn worker(&self, path: &Path) -> io::Result<&Arc<Worker>> {
        let home = self.homes.iter().find(|(home, _)| path.starts_with(home));
        let unknown = || io::Error::new(io::ErrorKind::InvalidInput, "it is in no home of the journal");
        home.map(|(_, worker)| worker).ok_or_else(unknown)
    }
}

impl Worker {
    pub(crate) fn start(name: &str) -> io::Result<Worker> {
        let (jobs, asked) = mpsc::sync_channel::<Job>(1);
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || asked.into_iter().for_each(|job| job()))?;
        Ok(Worker {
            jobs,
            is_busy: Arc::default(),
        })
    }

    /// Has it done, and waits so long; an error when it is not done by then, or while something earlier is still not.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        within: Duration,
        what: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let hangs = || io::Error::new(io::ErrorKind::TimedOut, "the disk hangs");
        if self.is_busy.swap(true, Ordering::AcqRel) {
            return Err(hangs());
        }
        let (answer, answered) = mpsc::sync_channel(1);
        let is_busy = Arc::clone(&self.is_busy);
        let job = move || {
            let done = what();
            is_busy.store(false, Ordering::Release);
            // Nobody waits any more once the time is over.
            let _ = answer.send(done);
        };
        self.jobs
            .try_send(Box::new(job))
            .map_err(|_| io::Error::other("the thread of the disk has ended"))?;
        answered.recv_timeout(within).map_err(|_| hangs())
    }
}

impl Disk for PatientDisk {
    fn make_dirs(&self, dir: &Path) -> io::Result<()> {
        self.ask((dir, SLOW), |disk, dir| disk.make_dirs(dir))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
        self.ask((dir, SLOW), |disk, dir| disk.list(dir))
    }

    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        let within = if bytes_max == u64::MAX { READ_WITHIN } else { SLOW };
        self.ask((path, within), move |disk, path| disk.read(path, bytes_max))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.open(path, |disk, path| disk.create(path))
    }

    fn append_to(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.open(path, |disk, path| disk.append_to(path))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.ask((path, SLOW), |disk, path| disk.remove(path))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.ask((dir, SLOW), |disk, dir| disk.sync_dir(dir))
    }
}

impl DiskFile for PatientFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let (inner, bytes) = (Arc::clone(&self.inner), bytes.to_owned());
        self.worker.ask(SLOW, move || inner.append(&bytes))?
    }

    fn cut(&self, bytes: u64) -> io::Result<()> {
        let inner = Arc::clone(&self.inner);
        self.worker.ask(SLOW, move || inner.cut(bytes))?
    }

    fn sync(&self) -> io::Result<()> {
        self.inner.sync()
    }

    fn sync_in_time(&self) -> io::Result<()> {
        let inner = Arc::clone(&self.inner);
        self.worker.ask(SLOW, move || inner.sync())?
    }

    fn bytes(&self) -> io::Result<u64> {
        self.inner.bytes()
    }
}
