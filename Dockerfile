# The three images, for people who have docker: `docker build --target registry -t roadstead/registry .`
# They equal what `make images` packs without it: one static program in an empty root.
FROM rust:1.95-bookworm AS build
# aws-lc builds with cmake where it has no prebuilt bindings.
RUN apt-get update && apt-get install -y --no-install-recommends cmake && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    make build && mkdir -p /out/var/lib/registry /out/bin \
    && cp target/release/roadstead-registry target/release/roadstead-operator target/release/roadstead-agent /out/ \
    && ln -s /usr/bin/roadstead-registry /out/bin/registry

FROM scratch AS operator
COPY --from=build /out/roadstead-operator /usr/bin/roadstead-operator
USER 65532:65532
ENTRYPOINT ["/usr/bin/roadstead-operator"]

FROM scratch AS agent
COPY --from=build /out/roadstead-agent /usr/bin/roadstead-agent
ENTRYPOINT ["/usr/bin/roadstead-agent"]

# The last stage is what a plain `docker build` makes.
FROM scratch AS registry
COPY --from=build /out/roadstead-registry /usr/bin/roadstead-registry
COPY --from=build /out/bin/registry /bin/registry
COPY --from=build /out/var/lib/registry /var/lib/registry
COPY registry/image/config.yml /etc/docker/registry/config.yml
COPY registry/image/config.yml /etc/distribution/config.yml
ENV PATH=/usr/bin:/bin
EXPOSE 5000
VOLUME /var/lib/registry
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s CMD ["/bin/registry", "health"]
ENTRYPOINT ["/bin/registry"]
CMD ["/etc/docker/registry/config.yml"]
