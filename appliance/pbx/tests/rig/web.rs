//! A folder as a web server over TLS.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use branchline_pbx::io::tls::{self, KeyFiles};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::tls::self_signed;

/// Serves until the test ends.
pub struct Web {
    pub address: SocketAddr,
    /// What its certificate is believed by.
    pub certificate: PathBuf,
}

impl Web {
    /// Serves the files of `folder`; its certificate and key go into `own`.
    pub fn start(folder: &Path, (ip, own): (Ipv4Addr, &Path)) -> Web {
        let listener = TcpListener::bind((ip, 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let made = self_signed(own, ip);
        let files = KeyFiles {
            certificate: made.certificate.clone(),
            key: made.key,
        };
        let config = tls::server(&files).expect("a good pair");
        let folder = folder.to_owned();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that does not believe us goes.
                let _ = answer(stream, &config, &folder);
            }
        });
        Web {
            address,
            certificate: made.certificate,
        }
    }
}

fn answer(stream: TcpStream, config: &Arc<ServerConfig>, folder: &Path) -> std::io::Result<()> {
    let session = ServerConnection::new(Arc::clone(config)).map_err(std::io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(session, stream));
    let mut request = String::new();
    stream.read_line(&mut request)?;
    let mut header = String::new();
    while stream.read_line(&mut header)? > 2 {
        header.clear();
    }
    let name = request.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
    let (status, mut body) = match std::fs::File::open(folder.join(name)) {
        Ok(mut file) => {
            let mut body = Vec::new();
            file.read_to_end(&mut body)?;
            ("200 OK", body)
        }
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let stream = stream.get_mut();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(&std::mem::take(&mut body))?;
    stream.conn.send_close_notify();
    stream.flush()
}
