{{/* Where the pods of a component run, and how important they are: include "roadstead.placement" .Values.operator. */}}
{{- define "roadstead.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .topologySpreadConstraints }}
topologySpreadConstraints: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- end }}

{{/* What Pod Security "restricted" asks of a pod. */}}
{{- define "roadstead.podSecurity" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* What Pod Security "restricted" asks of a container. */}}
{{- define "roadstead.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* Which pod a program runs in, for its Lease and its Events. */}}
{{- define "roadstead.podIdentity" -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
{{- end }}

{{/* The operator's settings file. */}}
{{- define "roadstead.settings" -}}
installation: {{ include "roadstead.installation" . }}
agentNamespace: {{ include "roadstead.agentNamespace" . }}
agentDaemonSet: {{ include "roadstead.fullname" . }}-agent
registryImage: {{ include "roadstead.image" (list . "registry") }}
registryImagePullPolicy: {{ include "roadstead.pullPolicy" (list . "registry") }}
{{- with .Values.registry.image.pullSecrets }}
registryImagePullSecrets: {{ toJson . }}
{{- end }}
clusterDomain: {{ .Values.clusterDomain | quote }}
operatorDeployment: {{ include "roadstead.fullname" . }}-operator
uninstallFlag: {{ include "roadstead.fullname" . }}-uninstall
{{- with .Values.commonLabels }}
commonLabels: {{ toJson . }}
{{- end }}
nodeTrust: {{ .Values.nodeTrust | toJson }}
limits: {{ .Values.limits | toJson }}
{{- end }}
