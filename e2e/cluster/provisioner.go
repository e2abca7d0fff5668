package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// Volumes are folders: of class "local" one in a node's own folder, of class
// "shared" one in a folder that every node has. Both become `local` volumes,
// since the kubelet applies no fsGroup to hostPath ones.
const (
	volumesOnNode = "/var/lib/cluster-volumes"
	sharedOnNode  = "/var/lib/cluster-shared"
)

type claim struct {
	Metadata struct {
		Name, Namespace, UID, ResourceVersion string
		DeletionTimestamp                     string
		Annotations                           map[string]string
	}
	Spec struct {
		StorageClassName, VolumeName, VolumeMode string
		AccessModes                              []string
		Resources                                struct{ Requests map[string]string }
	}
	Status struct{ Phase string }
}

type volume struct {
	Metadata struct {
		Name        string
		Annotations map[string]string
	}
	Spec   struct{ PersistentVolumeReclaimPolicy string }
	Status struct{ Phase string }
}

const (
	selectedNode  = "volume.kubernetes.io/selected-node"
	provisionedBy = "pv.kubernetes.io/provisioned-by"
	onNodeOnly    = "cluster.roadstead.dev/node"
)

// Provisioner makes volumes for claims, and deletes them when released.
type Provisioner struct {
	state State
	api   *API
}

// run never ends: what fails is tried again from a fresh list.
func (p Provisioner) run(ctx context.Context) {
	go p.follow(ctx, "/api/v1/persistentvolumeclaims", p.claimChanged)
	p.follow(ctx, "/api/v1/persistentvolumes", p.volumeChanged)
}

func (p Provisioner) follow(ctx context.Context, path string, changed func(context.Context, json.RawMessage) error) {
	for ; ; time.Sleep(time.Second) {
		var list struct {
			Metadata struct{ ResourceVersion string }
			Items    []json.RawMessage
		}
		err := p.api.get(ctx, path, &list)
		for _, item := range list.Items {
			err = errors.Join(err, changed(ctx, item))
		}
		if err == nil {
			err = p.api.watch(ctx, path, list.Metadata.ResourceVersion, func(item json.RawMessage) error {
				return changed(ctx, item)
			})
		}
		log.Printf("provisioner: %s: listing again after: %v", path, err)
	}
}

func (p Provisioner) claimChanged(ctx context.Context, raw json.RawMessage) error {
	var claim claim
	if err := json.Unmarshal(raw, &claim); err != nil {
		return err
	}
	class := claim.Spec.StorageClassName
	if claim.Status.Phase != "Pending" || claim.Spec.VolumeName != "" || claim.Metadata.DeletionTimestamp != "" ||
		class != localClass && class != sharedClass {
		return nil
	}
	node := claim.Metadata.Annotations[selectedNode]
	if class == localClass && node == "" {
		return nil // no pod uses it yet
	}
	if problem := refusal(claim); problem != "" {
		return p.warn(ctx, claim, problem)
	}
	name := "pvc-" + claim.Metadata.UID
	if class == sharedClass {
		node = ""
	}
	// 0755 and root's, as a fresh disk is: fsGroup must do the rest.
	if err := os.MkdirAll(p.folder(name, node), 0o755); err != nil {
		return err
	}
	err := p.api.create(ctx, "/api/v1/persistentvolumes", persistentVolume(name, node, claim))
	if hasStatus(err, http.StatusConflict) {
		return nil
	}
	return err
}

func refusal(claim claim) string {
	if claim.Spec.VolumeMode == "Block" {
		return "volumes here are folders: volumeMode Block is not to be had"
	}
	if claim.Spec.StorageClassName == localClass && slices.Contains(claim.Spec.AccessModes, "ReadWriteMany") {
		return "a volume of class local is one node's: for ReadWriteMany use class shared"
	}
	return ""
}

func (p Provisioner) folder(name, node string) string {
	if node == "" {
		return p.state.path("shared", name)
	}
	return p.state.path("nodes", node, "volumes", name)
}

func persistentVolume(name, node string, claim claim) object {
	path, where := sharedOnNode, object{"key": "kubernetes.io/os", "operator": "Exists"}
	if node != "" {
		path, where = volumesOnNode, object{"key": "kubernetes.io/hostname", "operator": "In", "values": []string{node}}
	}
	return object{
		"metadata": object{"name": name, "annotations": object{provisionedBy: provisionerName, onNodeOnly: node}},
		"spec": object{
			"capacity":                      object{"storage": claim.Spec.Resources.Requests["storage"]},
			"accessModes":                   claim.Spec.AccessModes,
			"persistentVolumeReclaimPolicy": "Delete",
			"storageClassName":              claim.Spec.StorageClassName,
			"local":                         object{"path": path + "/" + name},
			"nodeAffinity": object{"required": object{"nodeSelectorTerms": []object{
				{"matchExpressions": []object{where}},
			}}},
			"claimRef": object{
				"apiVersion": "v1", "kind": "PersistentVolumeClaim",
				"namespace": claim.Metadata.Namespace, "name": claim.Metadata.Name, "uid": claim.Metadata.UID,
			},
		},
	}
}

func (p Provisioner) warn(ctx context.Context, claim claim, problem string) error {
	now := time.Now().UTC().Format(time.RFC3339)
	err := p.api.create(ctx, "/api/v1/namespaces/"+claim.Metadata.Namespace+"/events", object{
		// One event a version of the claim, however often it is listed.
		"metadata": object{"name": fmt.Sprintf("%s.%s", claim.Metadata.Name, claim.Metadata.ResourceVersion), "namespace": claim.Metadata.Namespace},
		"involvedObject": object{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": claim.Metadata.Namespace,
			"name": claim.Metadata.Name, "uid": claim.Metadata.UID},
		"type": "Warning", "reason": "ProvisioningFailed", "message": problem,
		"source": object{"component": provisionerName}, "firstTimestamp": now, "lastTimestamp": now, "count": 1,
	})
	if hasStatus(err, http.StatusConflict) {
		return nil
	}
	return err
}

func (p Provisioner) volumeChanged(ctx context.Context, raw json.RawMessage) error {
	var volume volume
	if err := json.Unmarshal(raw, &volume); err != nil {
		return err
	}
	if volume.Metadata.Annotations[provisionedBy] != provisionerName || volume.Status.Phase != "Released" ||
		volume.Spec.PersistentVolumeReclaimPolicy != "Delete" {
		return nil
	}
	name, node := volume.Metadata.Name, volume.Metadata.Annotations[onNodeOnly]
	// Anybody may have made a volume with our annotation.
	if !strings.HasPrefix(name, "pvc-") || strings.Contains(name+node, "/") || node == ".." {
		log.Printf("provisioner: volume %q on node %q is not one of ours; left alone", name, node)
		return nil
	}
	if err := os.RemoveAll(p.folder(name, node)); err != nil {
		return err
	}
	err := p.api.delete(ctx, "/api/v1/persistentvolumes/"+name)
	if hasStatus(err, http.StatusNotFound) {
		return nil
	}
	return err
}
