# wa-b2bua without the stand-ins of `simulate` (werift is optional and left out), with Debian's rtpengine, which only media.engine: rtpengine and media.webrtc: rtpengine need. Runs as an ordinary user, writes nowhere but /var/lib/wa-b2bua.
FROM node:20.19-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY lib lib
RUN npm run build && npm prune --omit=dev --omit=optional --no-audit --no-fund

FROM node:20.19-bookworm-slim
# Its daemon must not start by itself: the service runs its own.
RUN printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d \
 && apt-get update && apt-get install -y --no-install-recommends rtpengine-daemon && rm -rf /var/lib/apt/lists/* /usr/sbin/policy-rc.d \
 && useradd --system --uid 10061 --home-dir /var/lib/wa-b2bua --create-home wa-b2bua
WORKDIR /opt/wa-b2bua
COPY --from=build /build/node_modules node_modules
COPY --from=build /build/dist dist
COPY package.json LICENSE ./
COPY config config
USER wa-b2bua
VOLUME /var/lib/wa-b2bua
ENV NODE_ENV=production
# http.listen of the configuration must be on this port.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8080/health').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
# Paths in the configuration that do not begin with / are below it.
WORKDIR /var/lib/wa-b2bua
ENTRYPOINT ["node", "/opt/wa-b2bua/dist/lib/cli/main.js"]
CMD ["run", "-c", "/etc/wa-b2bua/wa-b2bua.yaml"]
