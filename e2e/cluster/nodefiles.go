package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
)

const (
	kubeletConfigFile = "/var/lib/kubelet/config.yaml"
	proxyConfigFile   = "/var/lib/kubelet/proxy.yaml"
	certsFolder       = "/etc/containerd/certs.d"
)

// writeFiles gives the node its own configuration: after this, and until a
// guest of the cluster writes to it, its /etc does not change.
func (n *Node) writeFiles(masqueradeAll bool) error {
	// A node starts with no runtime's configuration but its own, whatever the
	// machine has installed.
	for _, folder := range []string{"containerd", "containers", "cni", "crio", "docker", "rancher"} {
		if err := os.RemoveAll(filepath.Join("/etc", folder)); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(certsFolder, 0o755); err != nil {
		return err
	}
	machineID := sha256.Sum256([]byte(n.state.node(n.name)))
	for path, content := range map[string]string{
		"/etc/hosts":                      fmt.Sprintf("127.0.0.1 localhost\n%s %s\n", nodeAddress(n.number), n.name),
		"/etc/hostname":                   n.name + "\n",
		"/etc/machine-id":                 fmt.Sprintf("%x\n", machineID[:16]),
		"/etc/resolv.conf":                "nameserver " + controlAddress + "\n",
		"/etc/cni/net.d/10-pods.conflist": cniConfig(nodePods(n.number)),
		"/etc/containerd/config.toml":     containerdConfig(n.settings.Containerd),
		kubeletConfigFile:                 kubeletConfig(n.state, n.name),
		proxyConfigFile:                   proxyConfig(n.state, n.name, masqueradeAll),
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		// Some of them are links on some machines (resolv.conf into /run).
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// No masquerading by CNI: every pod's address has a route on every node, and a
// pod should see who really calls.
func cniConfig(pods string) string {
	return `{
  "cniVersion": "0.4.0",
  "name": "pods",
  "plugins": [
    {
      "type": "bridge",
      "bridge": "cni0",
      "isGateway": true,
      "hairpinMode": true,
      "ipam": {
        "type": "host-local",
        "ranges": [[{"subnet": "` + pods + `"}]],
        "routes": [{"dst": "0.0.0.0/0"}]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`
}

// containerdConfig is written in the version that a containerd understands:
// 2 for all of 1.x, 3 from 2.0 on. Without restrict_oom_score_adj no sandbox
// starts where root lacks CAP_SYS_RESOURCE ("can't get final child's PID from
// pipe" is how runc says so).
func containerdConfig(containerd Containerd) string {
	values := map[string]string{"PAUSE": pauseImage, "CERTS": certsFolder, "BIN_DIR": cniFolder(containerd)}
	if containerd.Major < 2 {
		return fill(values, `version = 2

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE}"
  restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
  ${BIN_DIR}

[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "${CERTS}"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
`)
	}
	return fill(values, `version = 3

[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "${PAUSE}"

[plugins."io.containerd.cri.v1.images".registry]
  config_path = "${CERTS}"

[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true

[plugins."io.containerd.cri.v1.runtime".cni]
  ${BIN_DIR}

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
`)
}

// One folder until 2.0, a list of them later.
func cniFolder(containerd Containerd) string {
	if containerd.Major > 2 || containerd.Major == 2 && containerd.Minor >= 1 {
		return `bin_dirs = ["/usr/lib/cni"]`
	}
	return `bin_dir = "/usr/lib/cni"`
}

func kubeletConfig(state State, name string) string {
	return fill(map[string]string{"PKI": state.path("pki"), "NODE": name, "CGROUP": "/" + state.cgroup(name), "DNS": dnsService}, `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: "${PKI}/ca.crt"}
authorization: {mode: Webhook}
tlsCertFile: "${PKI}/${NODE}.crt"
tlsPrivateKeyFile: "${PKI}/${NODE}.key"
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: ${CGROUP}
enforceNodeAllocatable: []
failSwapOn: false
clusterDNS: ["${DNS}"]
clusterDomain: cluster.local
resolvConf: /etc/resolv.conf
volumePluginDir: /var/lib/kubelet/plugins/volume
makeIPTablesUtilChains: false
# Nodes share the machine's disk: that it is rather full is no reason to delete
# a node's images or to evict its pods.
imageGCHighThresholdPercent: 100
evictionHard: {nodefs.available: "1%", imagefs.available: "1%", nodefs.inodesFree: "1%"}
`)
}

func proxyConfig(state State, name string, masqueradeAll bool) string {
	return fill(map[string]string{"PKI": state.path("pki"), "NODE": name, "PODS": podSubnet, "ALL": fmt.Sprint(masqueradeAll)}, `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: "${PKI}/proxy.kubeconfig"}
hostnameOverride: ${NODE}
mode: nftables
nftables: {masqueradeAll: ${ALL}}
clusterCIDR: ${PODS}
# Its sysctl is the machine's, not the namespace's.
conntrack: {maxPerCore: 0}
`)
}

// fill replaces ${NAME}s; a name without a value is a mistake in this program.
func fill(values map[string]string, template string) string {
	return os.Expand(template, func(name string) string {
		value, ok := values[name]
		if !ok {
			panic("no value for ${" + name + "}")
		}
		return value
	})
}
