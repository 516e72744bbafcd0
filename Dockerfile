# rotatord and nothing else. `make image` builds it without a registry; with another
# builder: `make build bin/rootfs`, then, say, `docker build -t rotatord .`
# The binary brings its own time zones and certificates of authorities.
FROM scratch
ARG BINARY=bin/rotatord
COPY ${BINARY} /rotatord
COPY --chown=65532:65532 bin/rootfs/ /
USER 65532:65532
EXPOSE 9476
ENTRYPOINT ["/rotatord"]
CMD ["run"]
LABEL org.opencontainers.image.title="rotatord" \
      org.opencontainers.image.description="Rotates Cloudflare MoQ relay tokens and delivers them to secret stores" \
      org.opencontainers.image.source="https://github.com/rotatord/rotatord" \
      org.opencontainers.image.licenses="Apache-2.0"
