//! Generates gRPC from `proto/`.

use std::{env, io, path::PathBuf};

const PROTO: &str = "proto";
const SERVICES: [&str; 4] = ["resource", "cluster", "coverage", "maintenance"];

fn main() -> io::Result<()> {
    let out = env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    let files: Vec<String> =
        SERVICES.iter().map(|name| format!("{PROTO}/bellwether/v1/{name}_service.proto")).collect();
    tonic_prost_build::configure()
        .build_client(true)
        // What many watches are told is written once: its resource is bytes already.
        .extern_path(".bellwether.v1.WatchResourcesResponse", "crate::grpc::watch::Message")
        .file_descriptor_set_path(out.join("bellwether.bin"))
        .compile_protos(&files, &[PROTO.to_owned()])
}
