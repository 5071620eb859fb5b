# Two images: `slim` has Node, the server and a non-root user; the default one, on top of it, has the tools that
# actions of dockerskeleton lean on, and runs as root as that does.
ARG BASE=node:24-trixie-slim
ARG BUILD_BASE=${BASE}

FROM ${BUILD_BASE} AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN npm run build \
  && npm prune --omit=dev \
  # One binary of the many that come along is for this Node.
  && cd node_modules/uWebSockets.js \
  && find . -name 'uws_*.node' ! -name "uws_linux_$(node -p 'process.arch')_$(node -p 'process.versions.modules').node" -delete

FROM ${BASE} AS slim
ENV LANG=C.UTF-8 \
    HYPERSKELETON_ACTION_ROOT=/action
COPY --from=build /build/package.json /build/LICENSE /opt/hyperskeleton/
COPY --from=build /build/bin /opt/hyperskeleton/bin
COPY --from=build /build/dist/server /opt/hyperskeleton/dist/server
COPY --from=build /build/node_modules /opt/hyperskeleton/node_modules
RUN ln -s /opt/hyperskeleton/bin/hyperskeleton /usr/local/bin/hyperskeleton \
  # A base whose C library is too old for the front end shows here, not at the first start.
  && cd /opt/hyperskeleton && node -e "require('uWebSockets.js'); require('koffi')" \
  && groupadd --gid 1001 action && useradd --uid 1001 --gid 1001 --no-create-home action \
  && install -d -o action -g action -m 0777 /action
USER action
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=3s --start-period=2s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.FLASK_PROXY_PORT ?? 8080}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["hyperskeleton", "serve"]

FROM slim AS full
USER root
RUN apt-get update \
  && apt-get install -y --no-install-recommends \
    bash ca-certificates curl git jq musl openssh-client openssl perl python-is-python3 python3 unzip wget zip \
  && rm -rf /var/lib/apt/lists/*
COPY deploy/image/actionproxy.py /actionProxy/actionproxy.py
