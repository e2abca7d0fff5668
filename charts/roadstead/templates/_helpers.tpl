{{/* The name of the application, in labels. */}}
{{- define "roadstead.name" -}}
{{ .Values.nameOverride | default "roadstead" }}
{{- end }}

{{/* What the names of the chart's objects begin with. There is one installation per cluster, so it needs no release name. */}}
{{- define "roadstead.fullname" -}}
{{ .Values.fullnameOverride | default (include "roadstead.name" .) }}
{{- end }}

{{/* The namespace of the agents and of what they read: hostPath needs Pod Security "privileged", so it stands apart. */}}
{{- define "roadstead.agentNamespace" -}}
{{ .Release.Namespace }}-nodes
{{- end }}

{{/* One installation per cluster: bundles and nodes carry this name, another installation refuses to touch them. */}}
{{- define "roadstead.installation" -}}
{{ .Release.Namespace }}/{{ .Release.Name }}
{{- end }}

{{/* Labels of everything; include "roadstead.labels" (list . "operator"). */}}
{{- define "roadstead.labels" -}}
{{- $root := index . 0 -}}
helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
{{ include "roadstead.selector" . }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The labels that select pods; they never change from version to version. */}}
{{- define "roadstead.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "roadstead.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Labels, and the common annotations where there are any: what stands in every object's metadata. */}}
{{- define "roadstead.metadata" -}}
labels: {{- include "roadstead.labels" . | nindent 2 }}
{{- with (index . 0).Values.commonAnnotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Metadata of a hook: include "roadstead.hookMetadata" (list . "uninstall" (dict "helm.sh/hook" "pre-delete")). */}}
{{- define "roadstead.hookMetadata" -}}
labels: {{- include "roadstead.labels" . | nindent 2 }}
annotations: {{- merge (index . 2) (index . 0).Values.commonAnnotations | toYaml | nindent 2 }}
{{- end }}

{{/*
Metadata of namespaces, accounts and rights. Argo CD makes them first and deletes them last, so that operator and agents
still have them while they are deleted and take back what they wrote.
*/}}
{{- define "roadstead.rightsMetadata" -}}
{{- include "roadstead.hookMetadata" (list (index . 0) (index . 1) (dict "argocd.argoproj.io/sync-wave" "-1")) }}
{{- end }}

{{/* Labels of the pods of a component: include "roadstead.podLabels" (list . "operator" .Values.operator.podLabels). */}}
{{- define "roadstead.podLabels" -}}
{{ include "roadstead.labels" . }}
{{- with index . 2 }}
{{ toYaml . }}
{{- end }}
{{- end }}
