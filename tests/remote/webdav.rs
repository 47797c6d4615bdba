//! A `WebDAV` server over HTTP in this process, with its files in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dav_server::DavHandler;
use dav_server::fakels::FakeLs;
use dav_server::memfs::MemFs;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;

/// A server that runs until this value is dropped.
pub(crate) struct WebDav {
    port: u16,
    refuses_moves: Arc<AtomicBool>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl WebDav {
    /// An empty server.
    pub(crate) fn start() -> Self {
        let handler = DavHandler::builder()
            .filesystem(MemFs::new())
            .locksystem(FakeLs::new())
            .build_handler();
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let refuses_moves = Arc::new(AtomicBool::new(false));
        runtime.spawn(serve(listener, handler, Arc::clone(&refuses_moves)));
        WebDav { port, refuses_moves, runtime: Some(runtime) }
    }

    /// Refuses, or allows again, every rename from now on.
    pub(crate) fn refuse_moves(&self, refuses: bool) {
        self.refuses_moves.store(refuses, Ordering::SeqCst);
    }

    /// The URI of a directory on it.
    pub(crate) fn uri(&self, prefix: &str) -> String {
        format!("webdav+http://127.0.0.1:{}/{prefix}", self.port)
    }
}

impl Drop for WebDav {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(listener: TcpListener, handler: DavHandler, refuses_moves: Arc<AtomicBool>) {
    while let Ok((socket, _)) = listener.accept().await {
        socket.set_nodelay(true).unwrap();
        let (handler, refuses_moves) = (handler.clone(), Arc::clone(&refuses_moves));
        tokio::spawn(async move {
            let answer = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                let handler = handler.clone();
                let is_refused =
                    request.method().as_str() == "MOVE" && refuses_moves.load(Ordering::SeqCst);
                async move {
                    if is_refused {
                        let body = dav_server::body::Body::empty();
                        let mut response = hyper::Response::new(body);
                        *response.status_mut() = hyper::StatusCode::FORBIDDEN;
                        return Ok(response);
                    }
                    let response = handler.handle(request).await;
                    Ok::<_, std::convert::Infallible>(response)
                }
            });
            let _ = Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(socket), answer)
                .await;
        });
    }
}
