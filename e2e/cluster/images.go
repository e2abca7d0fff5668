package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"runtime"
)

// Images that every node has from the start.
const (
	pauseImage   = "localhost/roadstead-test/pause:1"
	busyboxImage = "localhost/roadstead-test/busybox:1"
	firstImages  = "images.tar"  // in the state folder
	busyboxAlone = "busybox.tar" // beside it: what a client that takes one image can push
)

// busyboxPrograms are the names under which busybox's image has it; all others
// are `busybox NAME`.
var busyboxPrograms = []string{
	"sh", "ash", "awk", "base64", "cat", "chmod", "chown", "cp", "cut", "date", "dd", "df", "echo", "env", "false",
	"find", "grep", "head", "hostname", "httpd", "id", "ip", "kill", "ls", "md5sum", "mkdir", "mount", "mv", "nc",
	"nslookup", "ping", "ps", "pwd", "rm", "sed", "seq", "sha256sum", "sleep", "sort", "stat", "sync", "tail", "tar",
	"test", "timeout", "touch", "tr", "true", "umount", "uname", "vi", "wc", "wget", "which", "xargs",
}

// Image has one layer.
type Image struct {
	reference  string
	entrypoint []string
	command    []string
	files      []tar.Header // in order; a file's content is in contents
	contents   map[string][]byte
}

func writeFirstImages(state State, parts Parts) error {
	pause, err := os.ReadFile(parts.program("pause", "pause"))
	if err != nil {
		return err
	}
	busybox, err := os.ReadFile(parts.debian("usr/bin/busybox"))
	if err != nil {
		return err
	}
	images := []Image{newPauseImage(pause), newBusyboxImage(busybox)}
	if err := writeArchiveFile(state.path(firstImages), images...); err != nil {
		return err
	}
	return writeArchiveFile(state.path(busyboxAlone), images[1])
}

func newPauseImage(binary []byte) Image {
	return Image{
		reference:  pauseImage,
		entrypoint: []string{"/pause"},
		files:      []tar.Header{{Name: "pause", Mode: 0o755, Size: int64(len(binary))}},
		contents:   map[string][]byte{"pause": binary},
	}
}

func newBusyboxImage(binary []byte) Image {
	users, groups := []byte("root:x:0:0:root:/:/bin/sh\n"), []byte("root:x:0:\n")
	image := Image{
		reference: busyboxImage,
		command:   []string{"/bin/sh"},
		contents:  map[string][]byte{"bin/busybox": binary, "etc/passwd": users, "etc/group": groups},
		files: []tar.Header{
			{Name: "bin/", Typeflag: tar.TypeDir, Mode: 0o755},
			{Name: "etc/", Typeflag: tar.TypeDir, Mode: 0o755},
			{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777},
			{Name: "etc/passwd", Mode: 0o644, Size: int64(len(users))},
			{Name: "etc/group", Mode: 0o644, Size: int64(len(groups))},
			{Name: "bin/busybox", Mode: 0o755, Size: int64(len(binary))},
		},
	}
	for _, program := range busyboxPrograms {
		image.files = append(image.files, tar.Header{Name: "bin/" + program, Typeflag: tar.TypeSymlink, Linkname: "busybox", Mode: 0o777})
	}
	return image
}

func writeArchiveFile(path string, images ...Image) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := writeArchive(file, images...); err != nil {
		return err
	}
	return file.Close()
}

// writeArchive writes images as `docker save` does.
func writeArchive(to io.Writer, images ...Image) error {
	archive := tar.NewWriter(to)
	type entry struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	var manifest []entry
	for _, image := range images {
		layer, err := image.layer()
		if err != nil {
			return err
		}
		config, err := image.config(layer)
		if err != nil {
			return err
		}
		names := entry{Config: digest(config) + ".json", RepoTags: []string{image.reference}, Layers: []string{digest(layer) + ".tar"}}
		manifest = append(manifest, names)
		for name, content := range map[string][]byte{names.Config: config, names.Layers[0]: layer} {
			if err := addFile(archive, tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}, content); err != nil {
				return err
			}
		}
	}
	content, err := json.Marshal(manifest)
	if err != nil {
		return err
	}
	if err := addFile(archive, tar.Header{Name: "manifest.json", Mode: 0o644, Size: int64(len(content))}, content); err != nil {
		return err
	}
	return archive.Close()
}

func (i Image) layer() ([]byte, error) {
	var layer bytes.Buffer
	archive := tar.NewWriter(&layer)
	for _, header := range i.files {
		if err := addFile(archive, header, i.contents[header.Name]); err != nil {
			return nil, err
		}
	}
	err := archive.Close()
	return layer.Bytes(), err
}

func (i Image) config(layer []byte) ([]byte, error) {
	return json.Marshal(object{
		"architecture": runtime.GOARCH,
		"os":           "linux",
		"config":       object{"Entrypoint": i.entrypoint, "Cmd": i.command, "Env": []string{"PATH=/bin"}},
		"rootfs":       object{"type": "layers", "diff_ids": []string{"sha256:" + digest(layer)}},
	})
}

func addFile(archive *tar.Writer, header tar.Header, content []byte) error {
	if err := archive.WriteHeader(&header); err != nil {
		return err
	}
	_, err := archive.Write(content)
	return err
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
