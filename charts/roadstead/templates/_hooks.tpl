{{/* "true" where an install comes while the agents' namespace of the last one is still being deleted. */}}
{{- define "roadstead.awaitNamespace" -}}
{{- $namespace := lookup "v1" "Namespace" "" (include "roadstead.agentNamespace" .) | default dict -}}
{{- not (empty (dig "metadata" "deletionTimestamp" "" $namespace)) -}}
{{- end }}

{{/* The pod of a hook: include "roadstead.hookPod" (list . "uninstall" (list "uninstall" "--timeout" "60s")). */}}
{{- define "roadstead.hookPod" -}}
{{- $root := index . 0 -}}
metadata:
  labels: {{- include "roadstead.labels" (list $root (index . 1)) | nindent 4 }}
spec:
  serviceAccountName: {{ include "roadstead.fullname" $root }}-uninstall
  restartPolicy: Never
  enableServiceLinks: false
  {{- include "roadstead.podSecurity" $root | nindent 2 }}
  {{- include "roadstead.pullSecrets" (list $root "operator") | nindent 2 }}
  containers:
    - name: {{ index . 1 }}
      image: {{ include "roadstead.image" (list $root "operator") }}
      imagePullPolicy: {{ include "roadstead.pullPolicy" (list $root "operator") }}
      args: {{- index . 2 | toYaml | nindent 8 }}
      env:
        {{- include "roadstead.podIdentity" $root | nindent 8 }}
        # Not a volume: the ConfigMap is not there where an install failed half-way.
        - name: SETTINGS
          value: {{ include "roadstead.settings" $root | toJson }}
      resources: {{- toYaml $root.Values.operator.resources | nindent 8 }}
      {{- include "roadstead.containerSecurity" $root | nindent 6 }}
  {{- with $root.Values.operator.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  # It has to run on the last node that is left, as the agents do.
  tolerations: [{operator: Exists}]
  affinity:
    # Rather where the operator is: that node is alive and has the image.
    podAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
        - weight: 100
          podAffinityTerm:
            topologyKey: kubernetes.io/hostname
            labelSelector:
              matchLabels: {{- include "roadstead.selector" (list $root "operator") | nindent 16 }}
{{- end }}
