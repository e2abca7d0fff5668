package main

import (
	"encoding/json"
	"os"
)

// Report is a line from a process of the cluster to `up`, which waits for it.
// Lines are shorter than PIPE_BUF, so all processes can share one pipe.
type Report struct {
	Step    string   // what was done, or was being done when it failed
	Seconds float64  // how long it took
	Failed  string   `json:",omitempty"` // why
	Logs    []string `json:",omitempty"` // names of the logs to look at
	Ready   bool     `json:",omitempty"` // the cluster is up: the last line
}

// Reporter is the writing end. After `up` has gone its lines go nowhere.
type Reporter struct{ pipe *os.File }

const reportDescriptor = 3

func inheritedReporter() Reporter {
	return Reporter{pipe: os.NewFile(reportDescriptor, "report")}
}

func (r Reporter) send(report Report) {
	if len(report.Failed) > 3000 {
		report.Failed = report.Failed[:3000] + "…"
	}
	line, err := json.Marshal(report)
	if err != nil {
		return
	}
	_, _ = r.pipe.Write(append(line, '\n'))
}
