package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

type object = map[string]any

// Provisioner names of the two StorageClasses.
const (
	localClass      = "local"
	sharedClass     = "shared"
	provisionerName = "cluster.roadstead.dev/folders"
)

// firstObjects are what a cluster has besides what Kubernetes makes itself:
// the DNS as a Service that leads to a process, and two StorageClasses.
func firstObjects() []struct {
	path   string
	object object
} {
	metadata := func(name string, more ...object) object {
		merged := object{"name": name}
		for _, fields := range more {
			for key, value := range fields {
				merged[key] = value
			}
		}
		return merged
	}
	dnsPorts := func(target bool) []object {
		ports := []object{{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}}
		for _, port := range ports {
			if target {
				port["targetPort"] = 53
			}
		}
		return ports
	}
	return []struct {
		path   string
		object object
	}{
		{"/apis/rbac.authorization.k8s.io/v1/clusterroles", object{
			"metadata": metadata("system:coredns"),
			"rules": []object{
				{"apiGroups": []string{""}, "resources": []string{"services", "pods", "namespaces"}, "verbs": []string{"list", "watch"}},
				{"apiGroups": []string{"discovery.k8s.io"}, "resources": []string{"endpointslices"}, "verbs": []string{"list", "watch"}},
			},
		}},
		{"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", object{
			"metadata": metadata("system:coredns"),
			"roleRef":  object{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:coredns"},
			"subjects": []object{{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "system:coredns"}},
		}},
		{"/api/v1/namespaces/kube-system/services", object{
			"metadata": metadata("kube-dns", object{"labels": object{"k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS"}}),
			"spec":     object{"clusterIP": dnsService, "ports": dnsPorts(true)},
		}},
		// CoreDNS is a process beside the API server, not a pod: the Service
		// has no selector, and this is where it leads.
		{"/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices", object{
			"metadata":    metadata("kube-dns", object{"labels": object{"kubernetes.io/service-name": "kube-dns"}}),
			"addressType": "IPv4",
			"endpoints":   []object{{"addresses": []string{dnsAddress}, "conditions": object{"ready": true}}},
			"ports":       dnsPorts(false),
		}},
		{"/apis/storage.k8s.io/v1/storageclasses", object{
			"metadata":          metadata(localClass, object{"annotations": object{"storageclass.kubernetes.io/is-default-class": "true"}}),
			"provisioner":       provisionerName,
			"reclaimPolicy":     "Delete",
			"volumeBindingMode": "WaitForFirstConsumer",
		}},
		{"/apis/storage.k8s.io/v1/storageclasses", object{
			"metadata":          metadata(sharedClass),
			"provisioner":       provisionerName,
			"reclaimPolicy":     "Delete",
			"volumeBindingMode": "Immediate",
		}},
	}
}

func createFirstObjects(ctx context.Context, api *API) error {
	for _, first := range firstObjects() {
		err := api.create(ctx, first.path, first.object)
		if err != nil && !hasStatus(err, http.StatusConflict) {
			return fmt.Errorf("POST %s: %w", first.path, err)
		}
	}
	return nil
}

// nodesReady says which nodes are not.
func nodesReady(ctx context.Context, api *API, nodes int) error {
	var list struct {
		Items []struct {
			Metadata struct{ Name string }
			Status   struct {
				Conditions []struct{ Type, Status, Message string }
			}
		}
	}
	if err := api.get(ctx, "/api/v1/nodes", &list); err != nil {
		return err
	}
	waiting := map[string]string{}
	for number := 1; number <= nodes; number++ {
		waiting[nodeName(number)] = "is not registered"
	}
	for _, node := range list.Items {
		for _, condition := range node.Status.Conditions {
			if condition.Type != "Ready" {
				continue
			}
			if condition.Status == "True" {
				delete(waiting, node.Metadata.Name)
			} else {
				waiting[node.Metadata.Name] = "is not Ready: " + condition.Message
			}
		}
	}
	var problems []error
	for name, problem := range waiting {
		problems = append(problems, fmt.Errorf("%s %s", name, problem))
	}
	return errors.Join(problems...)
}
