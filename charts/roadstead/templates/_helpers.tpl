{{/* The namespace of the agents and of what they read: hostPath needs Pod Security "privileged", so it stands apart. */}}
{{- define "roadstead.agentNamespace" -}}
{{ .Release.Namespace }}-nodes
{{- end }}

{{/* One installation per cluster: bundles and nodes carry this name, another installation refuses to touch them. */}}
{{- define "roadstead.installation" -}}
{{ .Release.Namespace }}/{{ .Release.Name }}
{{- end }}

{{/* An image: include "roadstead.image" (list . "operator"). */}}
{{- define "roadstead.image" -}}
{{- $root := index . 0 -}}
{{ $root.Values.image.prefix }}/{{ index . 1 }}:{{ $root.Values.image.tag | default $root.Chart.AppVersion }}
{{- end }}

{{/* Labels of everything; include "roadstead.labels" (list . "operator"). */}}
{{- define "roadstead.labels" -}}
{{- $root := index . 0 -}}
helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
{{ include "roadstead.selector" . }}
{{- end }}

{{/* The labels that select pods; they never change from version to version. */}}
{{- define "roadstead.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: roadstead
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "roadstead.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/* The operator's settings file. */}}
{{- define "roadstead.settings" -}}
installation: {{ include "roadstead.installation" . }}
agentNamespace: {{ include "roadstead.agentNamespace" . }}
agentDaemonSet: roadstead-agent
registryImage: {{ include "roadstead.image" (list . "registry") }}
registryImagePullPolicy: {{ .Values.image.pullPolicy }}
clusterDomain: {{ .Values.clusterDomain }}
uninstallFlag: roadstead-uninstall
nodeTrust: {{ .Values.nodeTrust | toJson }}
limits: {{ .Values.limits | toJson }}
{{- end }}

{{/* Where pods of the operator's image may run: the uninstall hook has to run wherever the operator does. */}}
{{- define "roadstead.operatorPlacement" -}}
{{- with .Values.operator.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.operator.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.operator.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
