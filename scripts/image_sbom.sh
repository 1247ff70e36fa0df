#!/bin/sh
# Lists what a built image holds, and signs the image and the list. Needs docker, syft and cosign, which this repository does not install.
#
#   scripts/image_sbom.sh 123456789012.dkr.ecr.eu-west-1.amazonaws.com/nexus-media@sha256:...
#
# The image is named by its digest: a tag could be another image by the time it is signed. COSIGN_KEY names the key (a KMS key by
# awskms:///alias/nexus-images); without one cosign asks for a sign-in and signs by a short-lived certificate.
set -eu

image=${1:?"Name the image by its digest: REPOSITORY@sha256:..."}
case $image in
    *@sha256:????????????????????????????????????????????????????????????????) ;;
    *) echo "$image: no digest. Push it, then: docker inspect --format '{{index .RepoDigests 0}}' IMAGE" >&2; exit 2 ;;
esac
for tool in syft cosign; do
    command -v "$tool" >/dev/null || { echo "$tool is not installed; docs/gpu-images.md says what it is for" >&2; exit 3; }
done

out=${SBOM_DIR:-.build}
mkdir -p "$out"
list=$out/image.cdx.json
syft scan "registry:$image" --output "cyclonedx-json=$list"
if [ -n "${COSIGN_KEY:-}" ]; then set -- --key "$COSIGN_KEY"; else set --; fi
cosign sign --yes "$@" "$image"
cosign attest --yes "$@" --type cyclonedx --predicate "$list" "$image"
echo "signed, and its list attested: $image"
