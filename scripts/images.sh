#!/usr/bin/env bash
# Packs the three images from target/release into target/images, as docker-archive files: no base image is pulled,
# no docker is needed, and the same programs give the same bytes. The Dockerfile makes the same images where there
# is docker.
set -euo pipefail
cd "$(dirname "$0")/.."

tag=${TAG:-dev}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What an image's root holds is given as SOURCE=DEST; a source of @PATH is a symbolic link, one of / a folder.
lay_out() {
	local root=$1 item source dest
	shift
	for item in "$@"; do
		source=${item%%=*} dest=$root/${item#*=}
		mkdir -p "$(dirname "$dest")"
		case $source in
			/) mkdir -p "$dest" ;;
			@*) ln -s "${source#@}" "$dest" ;;
			*) cp "$source" "$dest" ;;
		esac
	done
}

deterministic_tar() { # DIR OUT [NAMES…]
	local dir=$1 out=$2
	shift 2
	tar -C "$dir" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 --format=posix \
		--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime -cf "$out" "${@:-.}"
}

pack() { # NAME CONFIG-JSON ITEM…
	local name=$1 config=$2 root=$work/$1 parts=$work/$1.parts layer config_digest
	shift 2
	mkdir -p "$root" "$parts"
	lay_out "$root" "$@"
	chmod -R u=rwX,go=rX "$root"
	deterministic_tar "$root" "$parts/layer.tar"
	layer=$(sha256sum "$parts/layer.tar" | cut -d' ' -f1)
	mv "$parts/layer.tar" "$parts/$layer.tar"
	printf '{"architecture":"%s","os":"linux","created":"1970-01-01T00:00:00Z","config":%s,"rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"history":[{"created":"1970-01-01T00:00:00Z","created_by":"roadstead"}]}' \
		"$architecture" "$config" "$layer" > "$parts/config.json"
	config_digest=$(sha256sum "$parts/config.json" | cut -d' ' -f1)
	mv "$parts/config.json" "$parts/$config_digest.json"
	printf '[{"Config":"%s.json","RepoTags":["localhost/roadstead/%s:%s"],"Layers":["%s.tar"]}]' \
		"$config_digest" "$name" "$tag" "$layer" > "$parts/manifest.json"
	deterministic_tar "$parts" "target/images/$name.tar.tmp" manifest.json "$config_digest.json" "$layer.tar"
	mv "target/images/$name.tar.tmp" "target/images/$name.tar"
	printf '  %-10s %5d KiB unpacked\n' "$name" "$(du -sk --apparent-size "$root" | cut -f1)"
}

case $(uname -m) in
	x86_64) architecture=amd64 ;;
	aarch64) architecture=arm64 ;;
	*) echo "images: no image architecture is known for $(uname -m)" >&2; exit 1 ;;
esac
for program in registry operator agent; do
	[ -x "target/release/roadstead-$program" ] || { echo "images: target/release/roadstead-$program is missing: run 'make build' first" >&2; exit 1; }
done
mkdir -p target/images
echo "images:"

# The entry point takes what registry:2's takes: a configuration file alone, or `serve FILE`.
pack registry '{"Entrypoint":["/bin/registry"],"Cmd":["/etc/docker/registry/config.yml"],"Env":["PATH=/usr/bin:/bin"],"ExposedPorts":{"5000/tcp":{}},"Volumes":{"/var/lib/registry":{}},"Healthcheck":{"Test":["CMD","/bin/registry","health"],"Interval":30000000000,"Timeout":10000000000,"StartPeriod":10000000000}}' \
	target/release/roadstead-registry=usr/bin/roadstead-registry \
	@/usr/bin/roadstead-registry=bin/registry \
	registry/image/config.yml=etc/docker/registry/config.yml \
	registry/image/config.yml=etc/distribution/config.yml \
	/=var/lib/registry

pack operator '{"User":"65532:65532","Entrypoint":["/usr/bin/roadstead-operator"],"Env":["PATH=/usr/bin"]}' \
	target/release/roadstead-operator=usr/bin/roadstead-operator

pack agent '{"Entrypoint":["/usr/bin/roadstead-agent"],"Env":["PATH=/usr/bin"]}' \
	target/release/roadstead-agent=usr/bin/roadstead-agent
