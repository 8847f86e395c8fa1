//! Generates the clients and the service of the benchmarks' own wire from `proto/`.

fn main() -> std::io::Result<()> {
    tonic_prost_build::configure()
        .compile_protos(&["proto/writes.proto", "proto/etcd.proto"], &["proto"])
}
