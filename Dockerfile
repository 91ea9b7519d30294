# The image of a Testoon node, launcher and wallet: one static program on an empty root file system.
#
#   docker build -t testoon .                      compiles it (stage `build`; needs the registries of Docker and Rust)
#   docker build -t testoon --target local DIR     takes DIR/rootfs/testoon, and DIR/data, an empty directory, as they are
#
# It runs as user 65532 and needs no writable root (`--read-only`); a node's data goes to /data. docs/containers.md.

FROM scratch AS runtime
USER 65532:65532
ENV TESTOON_DATADIR=/data TESTOON_DIR=/data/net
# /health of the node in the container: where it listens, as `testoon node` reads it.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["/testoon", "health"]
ENTRYPOINT ["/testoon"]
CMD ["node"]

# A program that is there already, with the libraries it needs below rootfs/. Before `build`, so that no registry is asked.
FROM runtime AS local
COPY rootfs/ /
COPY --chown=65532:65532 data/ /data/

FROM rust:1-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends musl-tools
WORKDIR /src
COPY rust-toolchain.toml ./
RUN rustup target add "$(uname -m)-unknown-linux-musl"
COPY . .
RUN target="$(uname -m)-unknown-linux-musl" \
 && cargo build --release --locked --target "$target" -p testoon --bin testoon \
 && mkdir -p /image/rootfs /image/data \
 && cp "target/$target/release/testoon" /image/rootfs/testoon \
 && strip /image/rootfs/testoon

FROM runtime
COPY --from=build /image/rootfs/ /
COPY --from=build --chown=65532:65532 /image/data/ /data/
