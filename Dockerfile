# vastd in an image: built on Debian 12, run on Debian 12 slim as a user without rights.
#
#   docker build -t vastd .
#   docker run -p 8080:8080 -v vastd:/data -e VAST_API_KEY -e VASTD_TOKEN vastd

FROM swift:6.3-bookworm AS build
RUN apt-get update && apt-get install --yes --no-install-recommends \
      libmicrohttpd-dev libcurl4-openssl-dev libsqlite3-dev libssl-dev libarchive-dev zlib1g-dev
WORKDIR /source
COPY Package.swift openapi.yaml ./
COPY Sources Sources
COPY Tests Tests
RUN swift build --configuration release --static-swift-stdlib --product vastd \
 && install -D "$(swift build --configuration release --static-swift-stdlib --show-bin-path)/vastd" /out/vastd \
 && strip /out/vastd

FROM debian:bookworm-slim
# openssh-client speaks to the rented machines; ca-certificates vouch for Vast.ai; tini reaps ssh's own children.
RUN apt-get update && apt-get install --yes --no-install-recommends \
      libmicrohttpd12 libcurl4 libsqlite3-0 libssl3 libarchive13 zlib1g openssh-client ca-certificates tini \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --home-dir /data --shell /usr/sbin/nologin vastd \
 && install --directory --owner vastd --group vastd --mode 0700 /data
COPY --from=build /out/vastd /usr/local/bin/vastd
COPY config /etc/vastd/config
ENV VASTD_CONFIG_DIR=/etc/vastd/config VASTD_DATA_DIR=/data VASTD_LISTEN=0.0.0.0:8080
USER 10001:10001
VOLUME /data
EXPOSE 8080
# SIGTERM drains; give it at least 20 s.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/tini", "--", "/usr/local/bin/vastd"]
CMD ["serve"]
