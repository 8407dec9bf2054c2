# The `kraken` of this tree, for a user without rights, on a system with little else.
#
# docker build --tag kraken:local .
# docker run --rm --publish 127.0.0.1:5050:5050 kraken:local dev --host 0.0.0.0

FROM rust:1.95.0-bookworm AS build
WORKDIR /build
COPY . .
# This step needs the network even if all locked packages are cached: the build script of `execution`
# has cargo fetch starknet-devnet-core, for the classes of block 0. Both caches outlive the build and
# are in no image, so the binary is copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/build/target,sharing=locked \
    cargo build --release --locked --bin kraken \
    && install -D target/release/kraken /out/kraken

FROM debian:12.12-slim
# A new volume takes over the owner of the folder that it is mounted on.
RUN groupadd --gid 10001 kraken \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin kraken \
    && install -d --owner 10001 --group 10001 /var/lib/kraken
COPY --from=build /out/kraken /usr/local/bin/kraken
# Compiled classes of block 0; beside the chains, so that they outlive a container as well.
ENV XDG_CACHE_HOME=/var/lib/kraken/cache
USER 10001:10001
WORKDIR /var/lib/kraken
# JSON-RPC, primary, sync, worker.
EXPOSE 5050 7050 7051 7052
ENTRYPOINT ["kraken"]
CMD ["--help"]
