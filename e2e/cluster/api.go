package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// API speaks to the API server, in plain JSON: the few objects that a cluster
// starts with do not need client-go, which would be most of this program.
type API struct {
	client *http.Client
}

// StatusError is an answer other than success.
type StatusError struct {
	Code    int
	Message string
}

func (e *StatusError) Error() string { return fmt.Sprintf("status %d: %s", e.Code, e.Message) }

func hasStatus(err error, code int) bool {
	var status *StatusError
	return errors.As(err, &status) && status.Code == code
}

// newAPI acts as the identity whose certificate is STATE/pki/WHO.crt.
func newAPI(state State, who string) (*API, error) {
	certificate, err := tls.LoadX509KeyPair(state.path("pki", who+".crt"), state.path("pki", who+".key"))
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(state.path("pki", "ca.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return &API{client: &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, RootCAs: roots},
	}}}, nil
}

// do sends a request; answer, if not nil, gets the body.
func (a *API) do(ctx context.Context, method, path string, body, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	response, err := a.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if answer == nil {
		_, err = io.Copy(io.Discard, response.Body)
		return err
	}
	return json.NewDecoder(response.Body).Decode(answer)
}

func (a *API) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, apiServerURL+path, content)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := a.client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 {
		defer response.Body.Close()
		message, _ := io.ReadAll(io.LimitReader(response.Body, 1000))
		return nil, &StatusError{Code: response.StatusCode, Message: strings.TrimSpace(string(message))}
	}
	return response, nil
}

func (a *API) get(ctx context.Context, path string, answer any) error {
	return a.do(ctx, http.MethodGet, path, nil, answer)
}

func (a *API) create(ctx context.Context, path string, object any) error {
	return a.do(ctx, http.MethodPost, path, object, nil)
}

func (a *API) delete(ctx context.Context, path string) error {
	return a.do(ctx, http.MethodDelete, path, nil, nil)
}

// watch calls changed with each object that is new or different, until the
// server or an error ends it.
func (a *API) watch(ctx context.Context, path, resourceVersion string, changed func(json.RawMessage) error) error {
	response, err := a.send(ctx, http.MethodGet, path+"?watch=1&resourceVersion="+resourceVersion, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	events := json.NewDecoder(response.Body)
	for {
		var event struct {
			Type   string
			Object json.RawMessage
		}
		if err := events.Decode(&event); err != nil {
			return err
		}
		switch event.Type {
		case "ADDED", "MODIFIED":
			if err := changed(event.Object); err != nil {
				return err
			}
		case "ERROR":
			return fmt.Errorf("watch of %s: %s", path, event.Object)
		}
	}
}
