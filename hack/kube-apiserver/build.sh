#!/usr/bin/env bash
# Builds kube-apiserver and kube-controller-manager 1.20.2 from Debian 12's own source package and puts Debian 12's etcd
# beside them: the real API server that the integration suite measures the embedded one by.
#
#   build.sh          builds unless that was done before; prints the folder that holds the three programs
#
# Needs no root and installs nothing: packages come through apt, with an apt state of our own, and are unpacked in a work
# folder. Takes about four minutes on two cores, downloads 145 MB and uses 2.5 GB of disk meanwhile; 140 MB stay in
# ${XDG_CACHE_HOME:-~/.cache}/vacate/kube-apiserver.
set -euo pipefail

version=1.20.2
debian_version='1.20.5+really1.20.2-1.1+deb12u1'
source_file='kubernetes_1.20.5+really1.20.2.orig.tar.gz'
source_sha256=b83c0780efb182d928dc63d46488a847f161f04e40a94b96bf5247dd671ecdfc
git_commit=faecb196815e248d3ecfb03c680a4507229c2a56
recipe=1 # raise it when this file builds something else

cache="${XDG_CACHE_HOME:-$HOME/.cache}/vacate/kube-apiserver"
result="$cache/$version-$(dpkg --print-architecture)"
identity="$debian_version $source_sha256 recipe $recipe"

main() {
  mkdir -p "$cache"
  exec 9>"$cache/.lock" # a second build waits for the first and finds its result
  flock 9
  if ! grep -qxsF "$identity" "$result/identity"; then
    work=$(mktemp -d "$cache/building.XXXXXX")
    trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM HUP
    fetch
    lay_out_sources
    use_go
    generate_openapi
    compile
    check_programs
    rm -rf "$result"
    mv "$work/result" "$result"
    say "done after ${SECONDS} s"
  fi
  echo "$result/bin"
}

say() { echo "kube-apiserver build: $*" >&2; }
fail() { say "$*"; exit 1; }

# The mirror that the system itself uses, from either form of apt's sources.
mirror() {
  find /etc/apt/ -maxdepth 2 -type f \( -name '*.list' -o -name '*.sources' \) -print0 |
    xargs -0 -r awk '
      $1 == "URIs:" && $2 ~ /\/debian\/?$/ { print $2; exit }
      $1 == "deb" { for (i = 2; i <= NF; i++) if ($i ~ /^[a-z+]+:\/\/.*\/debian\/?$/) { print $i; exit } }' | head -n 1
}

fetch() {
  say "fetching the sources, the Go compiler and etcd"
  local state="$work/apt" keyring=/usr/share/keyrings/debian-archive-keyring.gpg archive
  archive=$(mirror)
  [ -n "$archive" ] || fail "apt's sources name no Debian mirror; add 'deb <mirror>/debian bookworm main'"
  mkdir -p "$state/lists/partial" "$state/archives/partial" "$work/debs" "$work/source"
  printf '%s [signed-by=%s] %s bookworm main\n' deb "$keyring" "$archive" deb-src "$keyring" "$archive" >"$state/sources.list"
  apt() {
    apt-get -q -o Dir::State::lists="$state/lists" -o Dir::State::status=/dev/null -o Dir::Cache="$state" \
      -o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Debug::NoLocking=1 \
      -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none -o Acquire::Retries=3 "$@" >>"$work/apt.log" 2>&1 ||
      { tail -n 10 "$work/apt.log" >&2; fail "apt-get $1 failed"; }
  }
  apt update
  (cd "$work/source" && apt source --download-only "kubernetes=$debian_version")
  (cd "$work/debs" && apt download golang-1.19-go golang-1.19-src golang-github-modern-go-reflect2-dev etcd-server)
  echo "$source_sha256  $work/source/$source_file" | sha256sum --quiet --check - || fail "$source_file is not the pinned one"
}

lay_out_sources() {
  local package library=github.com/modern-go/reflect2
  for package in "$work"/debs/*.deb; do dpkg-deb -x "$package" "$work/root"; done
  kubernetes="$work/gopath/src/k8s.io/kubernetes" # Kubernetes 1.20 was built in GOPATH mode, and only that still works
  mkdir -p "$kubernetes"
  tar -xzf "$work/source/$source_file" -C "$kubernetes" --strip-components=1
  # The vendored reflect2 1.0.1 corrupts memory when compiled by Go 1.18 or later: the server says it is ready and
  # panics on the first writes. Debian's 1.0.2 is right.
  rm -rf "$kubernetes/vendor/$library"
  cp -r "$work/root/usr/share/gocode/src/$library" "$kubernetes/vendor/$library"
}

use_go() {
  unset GOFLAGS GOBIN GOEXPERIMENT GOROOT_FINAL GOWORK GOOS GOARCH
  export GOROOT="$work/root/usr/lib/go-1.19" GOPATH="$work/gopath" GOCACHE="$work/go-cache" GOTMPDIR="$work"
  export GO111MODULE=off GOPROXY=off GOENV=off CGO_ENABLED=0 GOGC="${GOGC:-200}"
  export PATH="$GOROOT/bin:$PATH"
  cd "$kubernetes"
}

# The one generated file that the source package leaves out. That the generator reports exactly upstream's list of known
# violations shows that it saw exactly upstream's packages.
generate_openapi() {
  say "generating the OpenAPI definitions"
  local packages
  go build -o "$work/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
  packages=$(grep -rlE --include='*.go' '^// *\+k8s:openapi-gen=' pkg cmd plugin vendor/k8s.io/*/ |
    xargs -n 1 dirname | LC_ALL=C sort -u |
    grep -vE '^vendor/k8s.io/(code-generator|sample-apiserver|sample-controller|kube-openapi|gengo)(/|$)' |
    sed 's#^#k8s.io/kubernetes/#' | paste -sd,)
  "$work/openapi-gen" --logtostderr -i "$packages" -p k8s.io/kubernetes/pkg/generated/openapi -O zz_generated.openapi \
    -h vendor/k8s.io/code-generator/hack/boilerplate.go.txt -r "$work/violations"
  cmp -s "$work/violations" api/api-rules/violation_exceptions.list || fail "the OpenAPI definitions differ from upstream's"
}

compile() {
  say "compiling (about three minutes on two cores)"
  local flags='-s -w' library variables
  for library in component-base client-go/pkg; do
    variables="k8s.io/kubernetes/vendor/k8s.io/$library/version"
    flags+=" -X $variables.gitVersion=v$version -X $variables.gitMajor=1 -X $variables.gitMinor=20"
    flags+=" -X $variables.gitTreeState=archive -X $variables.gitCommit=$git_commit"
    flags+=" -X $variables.buildDate=1970-01-01T00:00:00Z"
  done
  mkdir -p "$work/result/bin"
  # providerless: without the cloud providers that Kubernetes carried at the time.
  go build -trimpath -tags providerless -ldflags "$flags" -o "$work/result/bin/" \
    ./cmd/kube-apiserver ./cmd/kube-controller-manager
  install -m 755 "$work/root/usr/bin/etcd" "$work/result/bin/etcd"
}

check_programs() {
  local bin="$work/result/bin"
  [ "$("$bin/kube-apiserver" --version)" = "Kubernetes v$version" ] || fail "the compiled kube-apiserver does not run"
  "$bin/etcd" --version >/dev/null || fail "Debian's etcd does not run on this system"
  echo "$identity" >"$work/result/identity"
}

main
