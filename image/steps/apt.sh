# Debian's arm64 packages through the mirrors of the host's own apt, with lists of our own: the host's apt is not changed.

apt_state=$cache/apt
apt_options=(
    -o "APT::Architecture=$architecture" -o "APT::Architectures=$architecture"
    -o "Dir::State=$apt_state" -o "Dir::State::status=/dev/null" -o "Dir::Cache=$apt_state/cache"
    -o "APT::Sandbox::User=root" -o "Acquire::Languages=none" -o "APT::Get::List-Cleanup=0" -o "Acquire::Retries=3"
)

# Once a day is enough to learn of security updates.
apt_update() {
    mkdir -p "$apt_state/lists/partial" "$apt_state/cache/archives/partial"
    if [ -z "$(find "$apt_state/updated" -mmin -1440 2>/dev/null)" ]; then
        say packages "reading Debian's lists"
        apt-get "${apt_options[@]}" update -qq
        touch "$apt_state/updated"
    fi
}

# apt_version PACKAGE
apt_version() {
    apt-cache "${apt_options[@]}" show --no-all-versions "$1" | sed -n 's/^Version: //p' | head -1
}

# apt_unpack FOLDER PACKAGE...: without installing; links to directories that are there already are followed.
apt_unpack() {
    local folder=$1 downloads
    shift
    downloads=$(mktemp -d -p "$apt_state")
    (cd "$downloads" && apt-get "${apt_options[@]}" download -qq "$@")
    for package in "$downloads"/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar --extract --directory "$folder" --keep-directory-symlink
    done
    rm -rf "$downloads"
}

# apt_closure PACKAGE...: `name version` of these and of all they need, sorted.
apt_closure() {
    apt-get "${apt_options[@]}" install --simulate --no-install-recommends -qq "$@" |
        sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*/\1 \2/p' | sort
}
