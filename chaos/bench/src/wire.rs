//! The generated clients and services of `proto/`.

/// Benchmark 13's own wire.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated")]
pub mod writes {
    tonic::include_proto!("bellwether.bench.v1");
}

/// etcd's, as far as it is used.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated")]
pub mod etcd {
    tonic::include_proto!("etcdserverpb");
}
