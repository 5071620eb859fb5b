# Two images: `slim` has Node, the server and a non-root user; the default one, on top of it, has the tools that
# actions of dockerskeleton lean on, and runs as root as that does. docs/guides/deploying.md tells how they are used.
ARG BASE=node:24-trixie-slim
# Another image of the same Node, where npm needs settings or certificates that the product is not to have.
ARG BUILD_BASE=${BASE}

FROM ${BUILD_BASE} AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN npm run build \
  && npm prune --omit=dev \
  && node scripts/prune-image.mjs \
  && node -e "import('/build/dist/src/action/default-action.js').then(({ ensureDefaultAction }) => ensureDefaultAction('/stub'))"

FROM ${BASE} AS slim
LABEL org.opencontainers.image.title="Hyperskeleton" \
      org.opencontainers.image.description="Runs any executable as an Apache OpenWhisk action" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV LANG=C.UTF-8 \
    HYPERSKELETON_ACTION_ROOT=/action \
    HYPERSKELETON_HOST=::
# Any user may run it, and install an action.
RUN groupadd --gid 1001 action && useradd --uid 1001 --gid 1001 --no-create-home action \
  && install -d -o action -g action -m 0777 /action \
  && ln -s /opt/hyperskeleton/bin/hyperskeleton /usr/local/bin/hyperskeleton
COPY --from=build /build/package.json /build/LICENSE /opt/hyperskeleton/
COPY --from=build /build/bin /build/deploy/image/health /opt/hyperskeleton/bin/
COPY --from=build /build/node_modules /opt/hyperskeleton/node_modules
COPY --from=build /build/dist/server /opt/hyperskeleton/dist/server
# The default action has to be in the image: where the file system is read-only the server can't put it there.
COPY --from=build --chown=action:action /stub/exec /action/exec
# A base that does not fit shows here, not at the first start: its C library may be too old for the front end.
RUN cd /opt/hyperskeleton && node -e "for (const name of ['./dist/server/uWebSockets/uws.js', 'koffi', 'pino', 'adm-zip']) require(name)"
USER action
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=3s --start-period=2s CMD ["/opt/hyperskeleton/bin/health"]
# That of the base would start a shell first.
ENTRYPOINT []
CMD ["hyperskeleton", "serve"]

FROM slim AS full
USER root
RUN apt-get update \
  && apt-get install -y --no-install-recommends \
    bash ca-certificates curl git jq musl openssh-client openssl perl python-is-python3 python3 unzip wget zip \
  && apt-get clean \
  && rm -rf /var/lib/apt/lists/*
COPY deploy/image/actionproxy.py /actionProxy/actionproxy.py
