# Two stages: the first builds, the second holds the program and nothing to build with.

FROM rust:1-slim-bookworm AS build
# The reader of SQL is PostgreSQL's own parser, in C; its binding needs libclang.
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential libclang-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN cargo build --release --locked --package lockkeeper --bin lockkeeper \
    && strip target/release/lockkeeper

FROM debian:bookworm-slim
RUN groupadd --system --gid 65532 lockkeeper \
    && useradd --system --uid 65532 --gid 65532 --no-create-home --shell /usr/sbin/nologin lockkeeper \
    && install -d -o lockkeeper -g lockkeeper -m 0700 /var/lib/lockkeeper
COPY --from=build /source/target/release/lockkeeper /usr/local/bin/lockkeeper
COPY config /etc/lockkeeper
USER 65532:65532
WORKDIR /var/lib/lockkeeper
# `docker exec … lockkeeper tickets` finds its gateway by this.
ENV LOCKKEEPER_DATA_DIR=/var/lib/lockkeeper
VOLUME /var/lib/lockkeeper
EXPOSE 6433
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/6433"]
ENTRYPOINT ["lockkeeper"]
CMD ["serve", "--listen", "0.0.0.0:6433"]
