package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
)

// The network of a cluster. One network namespace, the outer one, holds the
// bridge and the control plane; each node has one of its own on that bridge.
// Nothing leads out: the same addresses serve every cluster.
const (
	bridgeName     = "br0"
	controlAddress = "10.89.0.1" // API server, and the DNS of the site, which knows no cluster names
	dnsAddress     = "10.89.0.2" // DNS of the cluster
	serviceSubnet  = "10.96.0.0/16"
	apiService     = "10.96.0.1"
	dnsService     = "10.96.0.10"
	podSubnet      = "10.244.0.0/16"
	apiServerURL   = "https://" + controlAddress + ":6443"
	maxNodes       = 100
)

func nodeAddress(number int) string { return fmt.Sprintf("10.89.0.%d", 10+number) }
func nodePods(number int) string    { return fmt.Sprintf("10.244.%d.0/24", number-1) }

func setUpOuterNetwork(nodes int) error {
	if err := upWithAddresses("lo"); err != nil {
		return err
	}
	if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: bridgeName}}); err != nil {
		return fmt.Errorf("bridge: %w", err)
	}
	if err := upWithAddresses(bridgeName, controlAddress, dnsAddress); err != nil {
		return err
	}
	if err := forward(); err != nil {
		return err
	}
	for number := 1; number <= nodes; number++ {
		if err := route(nodePods(number), nodeAddress(number)); err != nil {
			return err
		}
	}
	// Services are reached through node1, whose kube-proxy masquerades what
	// comes from outside the pods' subnet, so that answers go the same way back.
	return route(serviceSubnet, nodeAddress(1))
}

// plugIn connects a node, whose first process is pid, to the bridge.
func plugIn(number, pid int) error {
	port := fmt.Sprintf("port%d", number)
	link := &netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: port},
		PeerName:      "eth0",
		PeerNamespace: netlink.NsPid(pid),
	}
	if err := netlink.LinkAdd(link); err != nil {
		return fmt.Errorf("veth of node%d: %w", number, err)
	}
	bridge, err := netlink.LinkByName(bridgeName)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetMaster(link, bridge); err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}

func setUpNodeNetwork(number, nodes int) error {
	if err := upWithAddresses("lo"); err != nil {
		return err
	}
	if err := upWithAddresses("eth0", nodeAddress(number)); err != nil {
		return err
	}
	if err := forward(); err != nil {
		return err
	}
	for other := 1; other <= nodes; other++ {
		if other == number {
			continue
		}
		if err := route(nodePods(other), nodeAddress(other)); err != nil {
			return err
		}
	}
	return route("0.0.0.0/0", controlAddress)
}

func upWithAddresses(name string, addresses ...string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	for _, address := range addresses {
		parsed, err := netlink.ParseAddr(address + "/24")
		if err != nil {
			return err
		}
		if err := netlink.AddrAdd(link, parsed); err != nil {
			return fmt.Errorf("address %s of %s: %w", address, name, err)
		}
	}
	return netlink.LinkSetUp(link)
}

func route(subnet, gateway string) error {
	_, destination, err := net.ParseCIDR(subnet)
	if err != nil {
		return err
	}
	if err := netlink.RouteAdd(&netlink.Route{Dst: destination, Gw: net.ParseIP(gateway)}); err != nil {
		return fmt.Errorf("route to %s: %w", subnet, err)
	}
	return nil
}

func forward() error {
	if err := setSysctl("net/ipv4/ip_forward", "1"); err != nil {
		return err
	}
	// A new namespace inherits this one from the machine.
	return setSysctl("net/ipv4/conf/all/rp_filter", "0")
}

// bridgesFiltered makes traffic between pods of one node pass netfilter, which
// a Service with both ends on that node needs: else the answer goes straight
// over the bridge and the client does not know the sender. Where the kernel
// has no br_netfilter it says no, and kube-proxy masquerades everything.
func bridgesFiltered() (bool, error) {
	err := setSysctl("net/bridge/bridge-nf-call-iptables", "1")
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func setSysctl(name, value string) error {
	path := "/proc/sys/" + name
	if present, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(present)) == value {
		return nil
	}
	return os.WriteFile(path, []byte(value), 0o644)
}
