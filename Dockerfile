# Two images of one program: the default has nothing but it, "alpine" has a shell too,
# for jobs that are scripts.
#
#   docker build -t solotick .
#   docker build -t solotick:alpine --target alpine .
#   docker buildx build --platform linux/amd64,linux/arm64 -t registry.example.com/solotick:1 --push .

# build makes the program, for another machine too.
FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# Static, and the same for the same source, wherever it is built.
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$VERSION" -o /out/solotick ./cmd/solotick

# alpine has a shell beside it, curl and jq.
FROM alpine:3.22 AS alpine
RUN apk add --no-cache ca-certificates curl jq
COPY --from=build /out/solotick /solotick
USER 65532:65532
EXPOSE 9480
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["/solotick", "health"]
ENTRYPOINT ["/solotick"]
CMD ["run", "-c", "/etc/solotick/solotick.yaml"]
LABEL org.opencontainers.image.title="Solotick" \
      org.opencontainers.image.description="N agents, one run per tick, agreed over one DNS TXT record; with a shell" \
      org.opencontainers.image.source="https://github.com/solotick/solotick" \
      org.opencontainers.image.documentation="https://github.com/solotick/solotick/blob/main/docs/platforms/docker.md" \
      org.opencontainers.image.licenses="Apache-2.0"

# solotick has the program, which knows time zones, and certificates, which it does not.
FROM scratch AS solotick
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/solotick /solotick
USER 65532:65532
EXPOSE 9480
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["/solotick", "health"]
ENTRYPOINT ["/solotick"]
CMD ["run", "-c", "/etc/solotick/solotick.yaml"]
LABEL org.opencontainers.image.title="Solotick" \
      org.opencontainers.image.description="N agents, one run per tick, agreed over one DNS TXT record" \
      org.opencontainers.image.source="https://github.com/solotick/solotick" \
      org.opencontainers.image.documentation="https://github.com/solotick/solotick/blob/main/docs/platforms/docker.md" \
      org.opencontainers.image.licenses="Apache-2.0"
