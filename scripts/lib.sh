# Shared by the scripts: what must be on the machine, and how it gets there.

# A script's help is the comment that it begins with.
case " $* " in *' --help '* | *' -h '*) sed -n '2,/^[^#]/{s/^# \{0,1\}//p;}' "scripts/${0##*/}"; exit ;; esac

# need_packages PROGRAM:PACKAGE ...: installs the Debian packages whose programs, or files by their whole path, are missing, when we may.
# Returns 1 and says what to install when it could not.
need_packages() {
  local missing=() pair
  for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || [ -x "/usr/sbin/${pair%%:*}" ] || [[ $pair == /* && -e ${pair%%:*} ]] || missing+=("${pair##*:}")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing ${missing[*]} with apt-get"
    # Their daemons must not start by themselves: we run our own on loopback.
    local policy=/usr/sbin/policy-rc.d made=
    if [ ! -e "$policy" ]; then printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && made=1; fi
    apt-get update -qq >/dev/null 2>&1
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null 2>&1
    local status=$?
    [ -n "$made" ] && rm -f "$policy"
    [ $status -eq 0 ] && return 0
  fi
  echo "please install these Debian packages: sudo apt-get install --no-install-recommends ${missing[*]}" >&2
  return 1
}

# need_npm: the packages of package-lock.json are in node_modules.
need_npm() {
  local major
  major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)
  if [ "$major" -lt 20 ]; then echo "please install Node.js 20 or newer (found: $(node -v 2>/dev/null || echo none))" >&2; return 1; fi
  # npm ci empties the folder behind a link, which is somebody else's too.
  [ -L node_modules ] && [ -e node_modules/.package-lock.json ] && return 0
  if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    echo "installing npm packages"
    npm ci --no-audit --no-fund --loglevel=error || { echo "npm ci failed: is the npm registry reachable?" >&2; return 1; }
  fi
}
