# Parts that are Debian packages, unpacked and not installed. Sourced by setup.sh.

# apt works on private lists and archives, so that the machine's own stay as
# they are; it reads the machine's sources and, to know which libraries are
# there already, its dpkg status.
private_apt() {
	local apt=$cache/apt
	mkdir -p "$apt/lists/partial" "$apt/archives/partial"
	# Hooks that a machine hangs on apt (clean /var/cache/apt, refresh an
	# index) would change the machine: cleared.
	cat >"$apt/apt.conf" <<-CONF
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
		#clear DPkg::Pre-Install-Pkgs;
		#clear DPkg::Pre-Invoke;
		#clear DPkg::Post-Invoke;
		Dir::State "$apt";
		Dir::State::lists "$apt/lists";
		Dir::State::status "/var/lib/dpkg/status";
		Dir::Cache "$apt";
		Dir::Cache::archives "$apt/archives";
		Dir::Log "$apt";
		APT::Sandbox::User "";
		Debug::NoLocking "1";
	CONF
	apt-get -c "$apt/apt.conf" "$@"
}

debian_part() { # FOLDER NAME KIND VERSION PACKAGE...
	local into=$1 name=$2 archive
	shift 4
	rm -f "$cache"/apt/archives/*.deb
	private_apt --quiet update
	# --reinstall: a package that the machine has is wanted here all the same.
	private_apt --quiet --yes --no-install-recommends --reinstall --download-only install "$@"
	for archive in "$cache"/apt/archives/*.deb; do
		dpkg-deb --extract "$archive" "$into"
	done
	rm -f "$cache"/apt/archives/*.deb
	fold_into_usr "$into"
	# The programs are laid over a node's root; the node's /etc and /var are
	# its own, and tests compare them.
	if [[ $name == debian ]]; then
		rm -rf "${into:?}/etc" "${into:?}/var"
		link_iptables "$into"
	else
		link_programs "$into"
	fi
	rm -rf "${into:?}/usr/share/doc" "${into:?}/usr/share/man"
}

debian_progress() {
	echo "$(du -sm "$cache/apt" | cut -f1) MB downloaded, $(du -sm "$part_folder" | cut -f1) MB unpacked"
}

# On a merged-/usr machine /lib is a link; a real folder /lib laid over it
# would hide every library.
fold_into_usr() { # FOLDER
	local top
	for top in bin sbin lib lib32 lib64 libx32; do
		[[ -d $1/$top && ! -L $1/$top ]] || continue
		mkdir -p "$1/usr/$top"
		cp -a "$1/$top/." "$1/usr/$top/"
		rm -rf "${1:?}/$top"
	done
}

# These names are made by update-alternatives when iptables is installed.
link_iptables() { # FOLDER
	local program
	for program in iptables ip6tables; do
		ln -sf xtables-nft-multi "$1/usr/sbin/$program"
		ln -sf xtables-nft-multi "$1/usr/sbin/$program-save"
		ln -sf xtables-nft-multi "$1/usr/sbin/$program-restore"
	done
}

# A folder for PATH, so that these win over a machine's own in /usr/local/bin.
# They need the libraries beside them: `cluster run` lays both over /usr.
link_programs() { # FOLDER
	local program
	mkdir -p "$1/bin"
	for program in "$1"/usr/bin/* "$1"/usr/sbin/*; do
		ln -sf "../usr/${program#"$1"/usr/}" "$1/bin/"
	done
}
