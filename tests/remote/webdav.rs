//! A `WebDAV` server over HTTP in this process, with its files in memory.

use dav_server::DavHandler;
use dav_server::fakels::FakeLs;
use dav_server::memfs::MemFs;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;

/// A server that runs as long as this lives.
pub(crate) struct WebDav {
    port: u16,
    runtime: Option<tokio::runtime::Runtime>,
}

impl WebDav {
    /// A server with nothing on it.
    pub(crate) fn start() -> Self {
        let handler = DavHandler::builder()
            .filesystem(MemFs::new())
            .locksystem(FakeLs::new())
            .build_handler();
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        runtime.spawn(serve(listener, handler));
        WebDav { port, runtime: Some(runtime) }
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

async fn serve(listener: TcpListener, handler: DavHandler) {
    while let Ok((socket, _)) = listener.accept().await {
        socket.set_nodelay(true).unwrap();
        let handler = handler.clone();
        tokio::spawn(async move {
            let answer = service_fn(move |request| {
                let handler = handler.clone();
                async move { Ok::<_, std::convert::Infallible>(handler.handle(request).await) }
            });
            let _ = Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(socket), answer)
                .await;
        });
    }
}
