package main

import "os"

// The control plane's certificates, by file name in STATE/pki.
var controlPlaneIdentities = map[string]Identity{
	"apiserver": {name: "kube-apiserver", hosts: []string{
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
		"localhost", "127.0.0.1", controlAddress, apiService}},
	"kubelet-client":     {name: "apiserver-kubelet-client", group: "system:masters"},
	"admin":              {name: "admin", group: "system:masters"},
	"controller-manager": {name: "system:kube-controller-manager"},
	"scheduler":          {name: "system:kube-scheduler"},
	"proxy":              {name: "system:kube-proxy"},
	"dns":                {name: "system:coredns"},
	"provisioner":        {name: "cluster-provisioner", group: "system:masters"},
}

func makeCertificates(state State, nodes int) error {
	authority, err := newAuthority(state.path("pki"))
	if err != nil {
		return err
	}
	if err := authority.signer(); err != nil {
		return err
	}
	identities := map[string]Identity{}
	for file, identity := range controlPlaneIdentities {
		identities[file] = identity
	}
	for number := 1; number <= nodes; number++ {
		name := nodeName(number)
		identities[name] = Identity{name: "system:node:" + name, group: "system:nodes", hosts: []string{name, nodeAddress(number)}}
	}
	for file, identity := range identities {
		if err := authority.issue(file, identity); err != nil {
			return err
		}
		if err := authority.kubeconfig(state.path("pki", file+".kubeconfig"), file); err != nil {
			return err
		}
	}
	return authority.kubeconfig(state.kubeconfig(), "admin")
}

func etcd(state State, parts Parts) Service {
	return Service{name: "etcd", command: []string{
		parts.debian("usr/bin/etcd"),
		"--data-dir", state.path("etcd"),
		"--listen-client-urls", "http://127.0.0.1:2379",
		"--advertise-client-urls", "http://127.0.0.1:2379",
		"--listen-peer-urls", "http://127.0.0.1:2380",
		// A cluster is thrown away as a whole: it need not outlive a power loss.
		"--unsafe-no-fsync",
	}}
}

func apiServer(state State, parts Parts) Service {
	pki := func(file string) string { return state.path("pki", file) }
	return Service{name: "kube-apiserver", command: []string{
		parts.kube("kube-apiserver"),
		"--etcd-servers=http://127.0.0.1:2379",
		"--bind-address=0.0.0.0",
		"--secure-port=6443",
		"--advertise-address=" + controlAddress,
		"--tls-cert-file=" + pki("apiserver.crt"),
		"--tls-private-key-file=" + pki("apiserver.key"),
		"--client-ca-file=" + pki("ca.crt"),
		"--service-account-key-file=" + pki("sa.pub"),
		"--service-account-signing-key-file=" + pki("sa.key"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-cluster-ip-range=" + serviceSubnet,
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--kubelet-client-certificate=" + pki("kubelet-client.crt"),
		"--kubelet-client-key=" + pki("kubelet-client.key"),
		"--kubelet-certificate-authority=" + pki("ca.crt"),
		// By name, `kubectl logs` and `exec` would look the node up in a DNS
		// that does not know it.
		"--kubelet-preferred-address-types=InternalIP",
		"--allow-privileged=true",
		"--audit-policy-file=" + state.path("audit-policy.yaml"),
		"--audit-log-path=" + state.log("audit"),
	}}
}

// Who did what to which object, every request once, when it is answered.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
omitManagedFields: true
rules:
- level: Metadata
`

func controllerManager(state State, parts Parts) Service {
	pki := func(file string) string { return state.path("pki", file) }
	return Service{name: "kube-controller-manager", command: []string{
		parts.kube("kube-controller-manager"),
		"--kubeconfig=" + pki("controller-manager.kubeconfig"),
		"--service-account-private-key-file=" + pki("sa.key"),
		"--root-ca-file=" + pki("ca.crt"),
		"--cluster-signing-cert-file=" + pki("ca.crt"),
		"--cluster-signing-key-file=" + pki("ca.key"),
		"--use-service-account-credentials",
		"--leader-elect=false",
		// With its default of 20 requests a second it takes 5 s to start.
		"--kube-api-qps=200",
		"--kube-api-burst=400",
		// Each node's pod subnet is in its CNI configuration; the one that this
		// would allocate could be another.
		"--allocate-node-cidrs=false",
	}}
}

func scheduler(state State, parts Parts) Service {
	return Service{name: "kube-scheduler", command: []string{
		parts.kube("kube-scheduler"),
		"--kubeconfig=" + state.path("pki", "scheduler.kubeconfig"),
		"--leader-elect=false",
	}}
}

func coreDNS(state State, parts Parts) Service {
	return Service{name: "coredns", command: []string{
		parts.program("coredns", "coredns"), "-conf", state.path("dns", "Corefile"),
	}}
}

// writeDNS writes the configuration of two name servers in one process. Pods
// and `run` use the cluster's; nodes use the site's, which answers for the
// names in STATE/dns/hosts (read again when it changes) and denies all others:
// what a node cannot resolve in a real cluster it cannot resolve here.
func writeDNS(state State) error {
	if err := os.MkdirAll(state.path("dns"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(state.path("dns", "hosts"), []byte("# ADDRESS NAME: names that the site's DNS knows\n"), 0o644); err != nil {
		return err
	}
	return os.WriteFile(state.path("dns", "Corefile"), []byte(corefile(state)), 0o644)
}

// The denial is a server of its own: CoreDNS asks template before hosts,
// whatever their order in the file.
func corefile(state State) string {
	return fill(map[string]string{
		"SITE":       controlAddress,
		"CLUSTER":    dnsAddress,
		"KUBECONFIG": state.path("pki", "dns.kubeconfig"),
		"HOSTS":      state.path("dns", "hosts"),
	}, `.:53 {
    bind ${SITE}
    errors
    hosts ${HOSTS} {
        reload 1s
        ttl 1
        fallthrough
    }
    forward . 127.0.0.1:5353
}
.:5353 {
    bind 127.0.0.1
    errors
    template ANY ANY . {
        rcode NXDOMAIN
    }
}
.:53 {
    bind ${CLUSTER}
    errors
    kubernetes cluster.local in-addr.arpa {
        kubeconfig ${KUBECONFIG}
        ttl 1
        fallthrough in-addr.arpa
    }
    forward . ${SITE}
}
`)
}
